# SPDX-License-Identifier: MIT
"""Compiled or interpreted, core is the same; which of them runs is what was asked for."""

import os
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec

import pytest

from geartrain.core import IS_COMPILED


def test_what_was_to_be_compiled_is() -> None:
    if os.environ.get("GEARTRAIN_COMPILE") == "1":
        assert IS_COMPILED


@pytest.mark.parametrize("module", ["geartrain.core.jobserver", "geartrain.core.state", "geartrain.protocol.reader"])
def test_core_and_protocol_are_compiled_together(module: str) -> None:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None

    assert spec.origin.endswith(tuple(EXTENSION_SUFFIXES)) == IS_COMPILED
