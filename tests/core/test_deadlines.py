# SPDX-License-Identifier: MIT
"""The heap of deadlines."""

import random
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core import IS_COMPILED
from geartrain.core.deadlines import Deadline, Deadlines
from tests.costs.counting import count


def popped(deadlines: Deadlines[str], now: float) -> list[str]:
    items = []
    while (item := deadlines.pop_due(now)) is not None:
        items.append(item)
    return items


def test_items_come_soonest_first_and_equals_in_the_order_of_entry() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for when, item in ((3, "late"), (1, "first"), (2, "b"), (2, "c")):
        deadlines.push(when, item)

    assert deadlines.next_due() == 1
    assert popped(deadlines, 2) == ["first", "b", "c"]
    assert len(deadlines) == 1
    assert popped(deadlines, 3) == ["late"]
    assert deadlines.next_due() is None


def test_items_can_be_looked_at_in_order_while_they_change() -> None:
    deadlines: Deadlines[str] = Deadlines()
    entries = [deadlines.push(when, item) for when, item in ((3, "c"), (1, "a"), (4, "d"), (2, "b"))]
    deadlines.cancel(entries[3])

    seen = deadlines.in_order()

    assert next(seen) == (1, "a")
    deadlines.cancel(entries[0])
    deadlines.push(0, "new")
    assert list(seen) == [(4, "d")]
    assert len(deadlines) == 3


def test_a_cancelled_entry_is_never_due() -> None:
    deadlines: Deadlines[str] = Deadlines()
    first = deadlines.push(1, "first")
    deadlines.push(2, "second")

    deadlines.cancel(first)

    assert len(deadlines) == 1
    assert deadlines.next_due() == 2
    with pytest.raises(AssertionError, match="ends once"):
        deadlines.cancel(first)


@pytest.mark.skipif(IS_COMPILED, reason="steps of compiled code cannot be counted")
def test_of_many_that_never_fire_each_leaves_at_once() -> None:
    """A clean-up of all of them together would take as many steps as there are."""
    deadlines: Deadlines[int] = Deadlines()
    chance = random.Random(1)
    entries = [deadlines.push(chance.random(), number) for number in range(4_000)]
    chance.shuffle(entries)

    for number, entry in enumerate(entries):
        count(partial(deadlines.cancel, entry), 400)
        assert len(deadlines) == len(entries) - number - 1


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=300), st.randoms(use_true_random=False))
def test_it_agrees_with_a_sorted_list(entries: list[tuple[int, bool]], chance: random.Random) -> None:
    """Invariant: entries that are not cancelled come out in the order of time."""
    deadlines: Deadlines[str] = Deadlines()
    expected: list[tuple[int, int]] = []
    cancelled: list[Deadline[str]] = []
    for number, (when, is_cancelled) in enumerate(entries):
        deadline = deadlines.push(when, str(number))
        if is_cancelled:
            cancelled.append(deadline)
        else:
            expected.append((when, number))
    chance.shuffle(cancelled)
    for deadline in cancelled:
        deadlines.cancel(deadline)
    expected.sort()

    assert list(deadlines.in_order()) == [(when, str(number)) for when, number in expected]
    assert popped(deadlines, 50) == [str(number) for _, number in expected]


def test_many_items_come_in_the_order_of_their_times() -> None:
    deadlines: Deadlines[int] = Deadlines()
    numbers = list(range(1_000))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        deadlines.push(number, number)

    assert list(deadlines.in_order()) == [(number, number) for number in range(1_000)]
    assert [deadlines.pop_due(1_000.0) for _ in numbers] == list(range(1_000))
