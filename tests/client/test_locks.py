# SPDX-License-Identifier: MIT
"""A rule for blocking clients and workers: mutexes only by ``with Lock``, as a signal handler may raise anywhere else.

``acquire`` with ``try`` behind it, and everything that is built on a condition, leaves a lock held when an exception
comes between two of its instructions. The latch, whose lock belongs to the one thread that waits, is the exception.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import geartrain.admin
import geartrain.client
import geartrain.transport
import geartrain.worker

_FORBIDDEN = {"Condition", "Event", "RLock", "Semaphore", "BoundedSemaphore", "Barrier", "Future", "Queue"}
_FORBIDDEN_METHODS = {"acquire", "release"}

_CLIENT = Path(geartrain.client.__file__).parent
_TRANSPORT = Path(geartrain.transport.__file__).parent
_ADMIN = Path(geartrain.admin.__file__).parent
_WORKER = Path(geartrain.worker.__file__).parent
_FOLDERS = [_ADMIN, _CLIENT, _CLIENT / "sync", _TRANSPORT, _WORKER, _WORKER / "sync"]
_FILES = sorted(path for folder in _FOLDERS for path in folder.glob("*.py"))
_EXCEPT = {_TRANSPORT / "latch.py", _TRANSPORT / "aio.py", _ADMIN / "aio.py"}


def violations(source: str) -> Iterator[str]:
    """Yield each use of a lock that an exception could leave held."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _FORBIDDEN:
            yield f"line {node.lineno}: {name}"
        if name in _FORBIDDEN_METHODS and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if "lock" in owner or "receiving" in owner:
                yield f"line {node.lineno}: {owner}.{name}"


@pytest.mark.parametrize(
    "path", [path for path in _FILES if path not in _EXCEPT], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_locks_are_taken_by_with_alone(path: Path) -> None:
    assert list(violations(path.read_text())) == []


@pytest.mark.parametrize(
    "source", ["self._lock.acquire(timeout=1)", "lock.release()", "threading.Condition(lock)", "Event()"]
)
def test_the_rule_finds_what_it_is_for(source: str) -> None:
    assert list(violations(source)) != []
