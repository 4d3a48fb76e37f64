# SPDX-License-Identifier: MIT
"""What pyproject.toml has no place for: the extensions, if the build compiles any."""

from geartrain_build import extensions
from setuptools import setup

setup(ext_modules=extensions)
