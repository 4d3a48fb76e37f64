# SPDX-License-Identifier: MIT
"""Waits between attempts."""

from geartrain.transport import Backoff


def test_waits_double_up_to_a_limit() -> None:
    backoff = Backoff(first=0.5, longest=3.0, jitter=0.0)

    assert [backoff.delay(failures) for failures in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_any_number_of_failures_is_fine() -> None:
    assert Backoff(jitter=0.0).delay(1_000_000) == 30.0


def test_chance_takes_a_part_away() -> None:
    backoff = Backoff(first=1.0, jitter=0.25)

    assert backoff.delay(1, chance=0.0) == 1.0
    assert backoff.delay(1, chance=1.0) == 0.75
    assert all(0.75 <= backoff.delay(1) <= 1.0 for _ in range(100))
