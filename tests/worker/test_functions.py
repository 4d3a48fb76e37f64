# SPDX-License-Identifier: MIT
"""The table of functions."""

from typing import Any

import pytest

from geartrain.errors import LocalProtocolError
from geartrain.worker.functions import FunctionTable, Retries
from geartrain.worker.sync.calls import Call


def call(job: object) -> None: ...


def table(prefix: str = "") -> FunctionTable[Call]:
    return FunctionTable(prefix)


def test_functions_are_found_by_the_name_that_servers_use() -> None:
    functions = table("app:")

    added = functions.add("f", call, 1.5)

    assert functions.get(b"app:f") is added
    assert functions.get(b"f") is None
    assert (added.name, added.wire_name, added.timeout_ms) == ("f", b"app:f", 1500)


def test_a_name_is_there_once_with_its_latest_callable() -> None:
    functions = table()
    functions.add("f", call)
    other = functions.add("f", print)

    assert list(functions) == [other]
    assert len(functions) == 1


def test_a_removed_function_is_gone() -> None:
    functions = table()
    added = functions.add("f", call)

    assert functions.remove("f") is added
    assert list(functions) == []
    with pytest.raises(KeyError):
        functions.remove("f")


@pytest.mark.parametrize("timeout", [0, -1, 3_000_000, float("nan")])
def test_timeouts_have_a_range(timeout: float) -> None:
    with pytest.raises(ValueError, match="a timeout is more than 0"):
        table().add("f", call, timeout)


def test_a_timeout_is_a_number() -> None:
    with pytest.raises(TypeError, match=r"'f': timeout is a number of seconds, or None for no limit, not '5'"):
        table().add("f", call, "5")  # type: ignore[arg-type]  # that is the point


def test_a_timeout_is_never_rounded_to_none() -> None:
    assert table().add("f", call, 0.0001).timeout_ms == 1


def test_a_function_needs_a_name() -> None:
    with pytest.raises(LocalProtocolError):
        table("app:").add("", call)


def test_a_name_may_be_any_bytes() -> None:
    added = table().add(b"\xff", call)

    assert added.wire_name == b"\xff"
    assert added.name.encode("utf-8", "surrogateescape") == b"\xff"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"retry_on": (OSError,)}, ValueError),
        ({"tries": 3}, ValueError),
        ({"retry_on": (OSError,), "tries": 0}, ValueError),
        ({"retry_on": (OSError,), "tries": 1.5}, ValueError),
        ({"retry_on": ("OSError",), "tries": 2}, TypeError),
    ],
)
def test_tries_and_their_exceptions_go_together(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Retries(**given)
