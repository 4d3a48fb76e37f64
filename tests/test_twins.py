# SPDX-License-Identifier: MIT
"""Each asyncio class has the methods of its blocking twin: names, order, parameters, defaults and documentation."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import geartrain
from geartrain import (
    AdminClient,
    AssignedJob,
    AsyncAdminClient,
    AsyncAssignedJob,
    AsyncClient,
    AsyncSubmittedJob,
    AsyncWorker,
    Client,
    SubmittedJob,
    Worker,
)
from geartrain.client import RemoteFunction, aio, remote
from geartrain.client.aio import AsyncRemoteFunction
from geartrain.testing import AsyncEagerClient, EagerClient
from geartrain.worker.aio import partition as async_partition
from geartrain.worker.aio.function import AsyncTypedFunction
from geartrain.worker.sync import partition
from geartrain.worker.sync.function import TypedFunction

TWINS: list[tuple[type, type]] = [
    (AdminClient, AsyncAdminClient),
    (AssignedJob, AsyncAssignedJob),
    (Client, AsyncClient),
    (EagerClient, AsyncEagerClient),
    (RemoteFunction, AsyncRemoteFunction),
    (SubmittedJob, AsyncSubmittedJob),
    (TypedFunction, AsyncTypedFunction),
    (Worker, AsyncWorker),
    (partition.PartitionJob, async_partition.PartitionJob),
    (partition.Parts, async_partition.Parts),
]
FUNCTIONS: list[tuple[Callable[..., Any], Callable[..., Any], str]] = [
    (geartrain.as_completed, aio.as_completed, "geartrain.as_completed"),
    (partition.as_partition, async_partition.as_partition, "geartrain.worker.sync.partition.as_partition"),
]

# The asynchronous form of the methods that Python itself calls.
ASYNC_NAMES = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__"}

# Methods that only one of two twins has, with the reason.
ALONE: dict[type, set[str]] = {
    # for threads, which wait differently
    SubmittedJob: {"check_wait", "watch"},
    AssignedJob: {"is_lost"},  # with its process
    partition.PartitionJob: {"is_lost"},
    AsyncSubmittedJob: {"__await__"},
    AsyncClient: {"aclose"},  # for `contextlib.aclosing`
    AsyncEagerClient: {"aclose"},
    # a program with an event loop also has other tasks
    AsyncWorker: {"__aenter__", "__aexit__"},
}
# Parameters that only one of two twins has.
MORE: dict[tuple[type, str], set[str]] = {
    (Worker, "__init__"): {"executor", "on_process_death"},
    (Worker, "function"): {"interrupt"},  # a task is cancelled
}

SHOWN = {*ASYNC_NAMES, *ASYNC_NAMES.values(), "__init__", "__call__", "__await__"}


def methods(kind: type) -> dict[str, Any]:
    """Return the public members of a class by name, and those dunder methods that this package defines."""
    found = {}
    for name, member in inspect.getmembers(kind):
        if name.startswith("_") and name not in SHOWN:
            continue
        if not name.startswith("__") or "geartrain" in getattr(member, "__module__", ""):
            found[name] = member
    return found


def parameters(function: Any) -> list[tuple[str, object, object]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


def check_documentation(blocking: object, asynchronous: object, reference: str) -> None:
    """Check that the first lines are equal, and that one of the twins documents the arguments."""
    first, _, rest = inspect.cleandoc(getattr(blocking, "__doc__", None) or "").partition("\n")
    other_first, _, other_rest = inspect.cleandoc(getattr(asynchronous, "__doc__", None) or "").partition("\n")

    assert other_first == first
    if rest.strip() != other_rest.strip():
        assert f"`{reference}`" in other_rest or "Args:" not in rest, f"{reference} is documented twice, or not at all"
        assert "Args:" not in other_rest, f"the arguments of {reference} are documented twice"


PAIRS = [pytest.param(*pair, id=pair[0].__name__) for pair in TWINS]


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_twins_have_the_same_methods(blocking: type, asynchronous: type) -> None:
    expected = {ASYNC_NAMES.get(name, name) for name in methods(blocking).keys() - ALONE.get(blocking, set())}

    assert methods(asynchronous).keys() - ALONE.get(asynchronous, set()) == expected


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_twins_have_the_same_parameters_and_defaults(blocking: type, asynchronous: type) -> None:
    theirs = methods(asynchronous)
    for name, method in methods(blocking).items():
        twin = theirs.get(ASYNC_NAMES.get(name, name))
        if callable(method) and twin is not None:
            more = MORE.get((blocking, name), set())
            assert [each for each in parameters(method) if each[0] not in more] == parameters(twin), name


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_twins_are_documented_once(blocking: type, asynchronous: type) -> None:
    theirs = methods(asynchronous)
    for name, method in methods(blocking).items():
        twin = theirs.get(ASYNC_NAMES.get(name, name))
        if twin is not None and "geartrain" in getattr(method, "__module__", "") and not name.startswith("__"):
            check_documentation(method, twin, method.__qualname__)


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_twins_read_side_by_side(blocking: type, asynchronous: type) -> None:
    """Methods that both define are in the same order."""
    ours = [ASYNC_NAMES.get(name, name) for name in vars(blocking) if inspect.isfunction(vars(blocking)[name])]
    theirs = [name for name in vars(asynchronous) if inspect.isfunction(vars(asynchronous)[name])]

    assert [name for name in theirs if name in ours] == [name for name in ours if name in theirs]


SUBMISSIONS = ("do", "submit", "submit_many", "enqueue", "submit_background", "map", "map_unordered")


@pytest.mark.parametrize("kind", [RemoteFunction, AsyncRemoteFunction, TypedFunction, AsyncTypedFunction])
def test_typed_functions_have_the_submissions_of_clients(kind: type) -> None:
    assert methods(kind).keys() >= set(SUBMISSIONS)
    assert methods(Client).keys() >= set(SUBMISSIONS)


@pytest.mark.parametrize("call", [call for call in SUBMISSIONS if call not in ("submit_many", "submit_background")])
def test_options_of_typed_functions_are_those_of_clients(call: str) -> None:
    options = {name for name, kind, _ in parameters(getattr(Client, call)) if kind is inspect.Parameter.KEYWORD_ONLY}

    assert set(remote._TAKEN[call]) == options
    assert options <= set(remote.JobOptions.__annotations__)


@pytest.mark.parametrize(("eager", "real"), [(EagerClient, Client), (AsyncEagerClient, AsyncClient)])
def test_eager_clients_have_all_of_clients(eager: type, real: type) -> None:
    theirs = methods(eager)
    for name, method in methods(real).items():
        if callable(method) and name != "__init__":
            assert parameters(theirs[name]) == parameters(method), name


@pytest.mark.parametrize(("blocking", "asynchronous", "reference"), FUNCTIONS)
def test_functions_are_twins_too(
    blocking: Callable[..., Any], asynchronous: Callable[..., Any], reference: str
) -> None:
    assert parameters(blocking) == parameters(asynchronous)
    check_documentation(blocking, asynchronous, reference)
