# SPDX-License-Identifier: MIT
"""A job server in memory for each test."""

import pytest

from geartrain.testing.wire import Wire


@pytest.fixture
def wire() -> Wire:
    return Wire()
