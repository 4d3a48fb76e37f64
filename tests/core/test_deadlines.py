# SPDX-License-Identifier: MIT
"""The heap of deadlines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core.deadlines import Deadlines


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


def test_a_million_that_never_fire_leave_nothing_behind() -> None:
    deadlines: Deadlines[int] = Deadlines()
    deadlines.push(0, -1)
    for number in range(10_000):
        deadlines.cancel(deadlines.push(1000, number))

    assert len(deadlines) == 1
    assert len(deadlines._heap) < 200


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=300))
def test_it_agrees_with_a_sorted_list(entries: list[tuple[int, bool]]) -> None:
    """Invariant: entries that are not cancelled come out in the order of time."""
    deadlines: Deadlines[str] = Deadlines()
    expected = []
    for number, (when, is_cancelled) in enumerate(entries):
        deadline = deadlines.push(when, str(number))
        if is_cancelled:
            deadlines.cancel(deadline)
        else:
            expected.append((when, number))

    assert popped(deadlines, 50) == [str(number) for _, number in sorted(expected)]
