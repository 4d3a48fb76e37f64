# SPDX-License-Identifier: MIT
"""The compiled core: it runs if and only if it was requested, and with the protocol."""

import gc
import os
import re
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

from geartrain.core import IS_COMPILED
from geartrain.core.policy import FunctionPolicy
from geartrain.core.state import FunctionQueue, Job, JobDetails


def test_the_core_is_compiled_if_requested() -> None:
    if os.environ.get("GEARTRAIN_COMPILE") == "1":
        assert IS_COMPILED


@pytest.mark.parametrize(
    "module",
    [
        "geartrain.core.jobserver",
        "geartrain.core.state",
        "geartrain.core.commands.work",
        "geartrain.protocol.reader",
        "geartrain.reactor.flusher",
    ],
)
def test_core_and_protocol_are_compiled_together(module: str) -> None:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None

    assert spec.origin.endswith(tuple(EXTENSION_SUFFIXES)) == IS_COMPILED


@pytest.mark.skipif(not IS_COMPILED, reason="the installation leads to the source")
def test_its_wheel_was_for_one_interpreter_and_had_both() -> None:
    installed = distribution("geartrain")
    files = {str(file) for file in installed.files or ()}

    assert f"\nTag: cp3{sys.version_info.minor}-" in (installed.read_text("WHEEL") or "")
    for module in ("protocol/reader", "core/jobserver", "core/commands/work", "reactor/flusher"):
        assert f"geartrain/{module}.py" in files
        assert [name for name in files if name.startswith(f"geartrain/{module}.") and name.endswith(".so")]


@pytest.mark.skipif(not IS_COMPILED, reason="interpreted objects have other sizes")
def test_the_page_on_memory_has_the_sizes_of_a_job() -> None:
    page = (Path(__file__).parents[2] / "docs/contributing/memory.md").read_text()
    sizes = dict(re.findall(r"^\| (.+?) \| (\d+) \|$", page, re.MULTILINE))

    assert int(sizes["`Job` (`core/state.py`)"]) == Job.__basicsize__
    assert int(sizes["its handle, `H:localhost:1000000`"]) == sys.getsizeof(b"H:localhost:1000000")
    assert f"`JobDetails`, {JobDetails.__basicsize__} bytes" in page
    assert not gc.is_tracked(Job(1, b"", FunctionQueue(b"f", FunctionPolicy()), b"", b"", 1))
