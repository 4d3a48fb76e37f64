# SPDX-License-Identifier: MIT
"""Runs a program with gearman3, mended for Python 3.9 and later, which took ``array.fromstring`` away.

Usage: with_gearman3.py PROGRAM ARGUMENTS...
"""

import array
import runpy
import sys
import types

import gearman.connection


class Array(array.array):
    fromstring = array.array.frombytes

    def __getitem__(self, place):
        found = super().__getitem__(place)
        return Array(self.typecode, found) if isinstance(place, slice) else found


gearman.connection.array = types.SimpleNamespace(array=Array)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
