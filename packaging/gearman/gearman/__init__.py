# SPDX-License-Identifier: MIT
"""Stands in for python-gearman: what is imported as ``gearman`` is `geartrain.python_gearman`."""

import sys

from geartrain import python_gearman

del sys.modules[__name__]  # which makes room for what takes its place
python_gearman.install()
