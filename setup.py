# SPDX-License-Identifier: MIT
"""Extensions of the build, which pyproject.toml cannot express."""

from geartrain_build import extensions
from setuptools import setup

setup(ext_modules=extensions)
