# SPDX-License-Identifier: MIT
"""Servers and stores that are killed keep their promises: see `tests.crash.books`. ``make crash`` kills many more."""

import random
from pathlib import Path

import pytest

from tests.crash.books import Books
from tests.crash.crashes import Crashes
from tests.storage.places import STORES
from tests.thoroughness import often

ROUNDS = often(2, 4)


@pytest.mark.parametrize("store", STORES)
def test_no_accepted_job_is_lost_in_crashes(store: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with STORES[store](tmp_path) as place:
        crashes = Crashes(place, seed)
        for _ in range(ROUNDS):
            crashes.live_and_die()
        crashes.look()


class TestBooks:
    """The books notice what must not be."""

    def setup_method(self) -> None:
        self.books = Books(random.Random(1))
        self.entry = self.books.ask()
        while self.entry.is_for_later:
            self.entry = self.books.ask()

    def come(self, handle: bytes = b"H:1") -> None:
        self.books.assign(handle, self.entry.function, self.entry.unique, self.entry.workload)

    def test_a_job_that_is_lost(self) -> None:
        self.books.promise(self.entry, b"H:1")
        with pytest.raises(AssertionError, match="1 job was lost"):
            self.books.recovered([], [])

    def test_a_job_for_later_that_is_lost(self) -> None:
        while not self.entry.is_for_later:
            self.entry = self.books.ask()
        self.books.promise(self.entry, b"H:1")
        self.books.recovered([], [b"H:1"])
        with pytest.raises(AssertionError, match="1 job for later was lost"):
            self.books.recovered([], [b"H:2"])

    def test_a_job_that_was_invented(self) -> None:
        with pytest.raises(AssertionError, match="invented"):
            self.books.assign(b"H:1", self.entry.function, b"", b"1000:")

    def test_a_job_that_was_changed(self) -> None:
        with pytest.raises(AssertionError, match="another workload"):
            self.books.assign(b"H:1", self.entry.function, self.entry.unique, self.entry.workload + b"!")

    def test_a_handle_that_was_changed(self) -> None:
        self.books.promise(self.entry, b"H:1")
        self.come(b"H:1")
        with pytest.raises(AssertionError, match="came as"):
            self.come(b"H:2")

    def test_a_handle_that_is_promised_twice(self) -> None:
        self.books.promise(self.entry, b"H:1")
        with pytest.raises(AssertionError, match="was promised to"):
            self.books.promise(self.books.ask(), b"H:1")

    def test_a_job_that_comes_again_when_its_end_is_settled(self) -> None:
        self.entry.is_done = True
        receipt = self.books.ask_to_settle([self.entry])
        self.come()
        self.books.promise(receipt, b"H:2")
        with pytest.raises(AssertionError, match="came again"):
            self.come()

    def test_jobs_in_another_order(self) -> None:
        one, other = self.books.ask_to_settle([]), self.books.ask_to_settle([])
        self.books.recovered([(b"H:9", one), (b"H:10", other)], [])
        with pytest.raises(AssertionError, match="another order"):
            self.books.recovered([(b"H:10", other), (b"H:9", one)], [])
