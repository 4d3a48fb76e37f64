# SPDX-License-Identifier: MIT
"""No peer can make a turn of the server long by valid packets, in any state."""

import random

import pytest

from geartrain.core import IS_COMPILED
from tests.costs.search import Case, cases, measure

pytestmark = pytest.mark.skipif(IS_COMPILED, reason="steps of compiled code cannot be counted")

SIZE = 2000
KNOWN = [
    Case("open", "functions", 10, "a schedule that is never due"),
    Case("open", "functions", 10, "schedules that are never due"),
    Case("open", "functions", SIZE, "a token"),
    Case("rules", "functions", SIZE, "tokens in turn"),
    Case("open", "functions", SIZE, "sleep"),
    Case("open", "jobs of many functions", SIZE, "grab"),
    Case("open", "jobs taken away", SIZE, "grab"),
    Case("open", "schedules", SIZE, "echo", end=True),
    Case("open", "functions", 9999, "echo", end=True),
    Case("open", "running jobs", SIZE, "results", end=True),
    Case("open", "running jobs", SIZE, "echo", end=True),
    Case("open", "functions", 9999, "list"),
    Case("open", "waiters", SIZE, "data"),
    Case("open", "waiters", SIZE, "status by unique"),
    Case("expiring", "functions", 5000, "echo", end=True),
]


@pytest.mark.parametrize("case", KNOWN, ids=str)
def test_a_turn_is_short(case: Case) -> None:
    cost = measure(case)

    assert not cost.is_too_much, cost


def test_turns_by_chance_are_short() -> None:
    chosen = random.Random(12).sample(list(cases(300)), 12)

    assert not [str(case) for case in chosen if measure(case).is_too_much]
