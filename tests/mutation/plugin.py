# SPDX-License-Identifier: MIT
"""A pytest plugin for the tests of one mutant: no detours, no long tests, and a limit of CPU time.

- mutmut calls every function by way of a wrapper that looks for the mutant, which makes tests four times as long. Here
  the one mutant takes the place of its function, and all others are called directly.
- Tests that take longer than a second or so run with THOROUGH=1 only: few mutants need them, and survivors would run
  all.
- The tests of a class follow each other. mutmut sorts tests by their time, and a class of tests of a store has a
  database server of its own, which would be started again and again.
- Endless loops end in seconds. mutmut's own limit is for all tests together, and a limit of elapsed time would depend
  on the load of the machine.
"""

import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Final

import pytest

from tests.thoroughness import THOROUGH

_LONG: Final = 1.0  # seconds, with mutmut's detours; on a busy machine, this share of the time of all tests is longer:
_SHARE: Final = 0.02
_LEAST: Final = 3.0  # seconds of CPU time that each test may use
_TIMES: Final = 10.0  # as much as without a mutant, at least
_PATIENCE: Final = 5  # interruptions that a test may swallow
_STATISTICS: Final = Path("mutmut-stats.json")
_ORIGINAL: Final = "_mutmut_orig"
_MEASURING: Final = (None, "stats", "list_all_tests")  # in place of a mutant: mutmut looks for all tests

_interruptions = 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out long tests, keep those of a class together, and put the mutant into place."""
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        del os.environ["MUTANT_UNDER_TEST"]  # other processes do not measure; this one has it in a variable too
    if not THOROUGH and os.environ.get("MUTANT_UNDER_TEST") not in _MEASURING:
        limit = max(_LONG, _SHARE * sum(_durations(_STATISTICS.stat().st_mtime_ns).values()))
        long = {item for item in items if _usual_time(item) > limit}
        config.hook.pytest_deselected(items=list(long))
        items[:] = [item for item in items if item not in long]
    groups: dict[object, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[item.parent].append(item)
    items[:] = chain.from_iterable(groups.values())
    mutant = _mutant()
    if mutant is not None:
        put_into_place(mutant, [module for name, module in sys.modules.items() if name.startswith("geartrain.")])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test with the limit, if there is a mutant."""
    if _mutant() is None:
        return (yield)
    signal.signal(signal.SIGPROF, _interrupt)
    signal.setitimer(signal.ITIMER_PROF, _LEAST + _TIMES * _usual_time(item), 1.0)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def put_into_place(mutant: str, modules: list[ModuleType]) -> None:
    """Replace the wrappers of mutmut by the mutant, and by the original of every other function.

    Wrappers that are already in a table, or are class methods, stay in place and do the same.
    """
    replaced: dict[FunctionType, FunctionType] = {}
    for module in modules:
        for owner, name, functions in _mutated(module):
            wrapper = vars(owner).get(name)
            if isinstance(wrapper, FunctionType):
                is_its = mutant.rpartition(".")[0] == module.__name__
                function = functions.get(mutant.rpartition(".")[2] if is_its else "", functions[_ORIGINAL])
                function.__name__, function.__qualname__ = wrapper.__name__, wrapper.__qualname__
                replaced[wrapper] = function
                setattr(owner, name, function)
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and value in replaced:
                setattr(module, name, replaced[value])


def _mutated(module: ModuleType) -> Iterator[tuple[type | ModuleType, str, dict[str, FunctionType]]]:
    """Yield the mutated functions of a module, each with its class or module, name and mutants."""
    for table, functions in list(vars(module).items()):
        if table.startswith("mutants_x") and _ORIGINAL in functions:
            mangled = table.removeprefix("mutants_").removesuffix("__mutmut")
            if "ǁ" in mangled:
                _, owner, name = mangled.split("ǁ")
                yield getattr(module, owner), name, functions
            else:
                yield module, mangled.removeprefix("x_"), functions


def _mutant() -> str | None:
    name = os.environ.get("MUTANT_UNDER_TEST", "")
    return name if "__mutmut_" in name else None


def _usual_time(item: pytest.Item) -> float:
    return _durations(_STATISTICS.stat().st_mtime_ns).get(item.nodeid, 0.0)


@cache
def _durations(_written: int) -> dict[str, float]:
    """Return the seconds of each test, from a version of mutmut's file."""
    durations: dict[str, float] = json.loads(_STATISTICS.read_text())["duration_by_test"]
    return durations


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    global _interruptions
    _interruptions += 1
    if _interruptions > _PATIENCE:
        os._exit(2)
    raise KeyboardInterrupt
