# SPDX-License-Identifier: MIT
"""Pytest runs every page: each block of code is a test, in the order of the page."""

from sybil import Sybil

from tests.docs.blocks import Blocks
from tests.docs.page import begin, end

pytest_collect_file = Sybil(parsers=[Blocks()], pattern="*.md", setup=begin, teardown=end).pytest()
