# SPDX-License-Identifier: MIT
"""Iterators over payloads that measure the time of the loop, after some payloads to warm up."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Calls", "Jobs", "Limits"]

PAYLOAD = "0123456789" * 10
ANSWER = PAYLOAD[::-1]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a measurement: jobs and seconds, whichever comes first.

    Attributes:
        jobs: The number of jobs.
        seconds: The duration.
        warm_up: The number of jobs before them, which are not measured.
    """

    jobs: int
    seconds: float
    warm_up: int


class Jobs:
    """Payloads to submit, one by one or in batches.

    Attributes:
        count: The number of measured jobs.
        seconds: Their time.
        total: The number of all jobs, including the warm-up.
    """

    def __init__(self, limits: Limits, batch: int = 1) -> None:
        self.count = 0
        self.seconds = 0.0
        self.total = 0
        self._limits = limits
        self._batch = batch

    def __iter__(self) -> Iterator[str]:
        for [payload] in self.batches():
            yield payload

    def batches(self) -> Iterator[list[str]]:
        """Yield lists of payloads."""
        batch = [PAYLOAD] * self._batch
        while self.total < self._limits.warm_up:
            self.total += len(batch)
            yield batch
        begun = time.perf_counter()
        while self.count < self._limits.jobs and self.seconds < self._limits.seconds:
            yield batch
            self.count += len(batch)
            self.seconds = time.perf_counter() - begun
        self.total += self.count


class Calls:
    """Payloads of calls, each of which has to be answered before the next.

    Attributes:
        latencies: The seconds of each measured call.
    """

    def __init__(self, limits: Limits) -> None:
        self.latencies: list[float] = []
        self._limits = limits
        self._answered = 0
        self._asked_at = 0.0

    def __iter__(self) -> Iterator[str]:
        while self._answered < self._limits.warm_up:
            yield self._ask()
        self.latencies.clear()
        ends = time.perf_counter() + self._limits.seconds
        while len(self.latencies) < self._limits.jobs and self._asked_at < ends:
            yield self._ask()

    def _ask(self) -> str:
        self._asked_at = time.perf_counter()
        return PAYLOAD

    def answer(self, answer: object) -> None:
        """Record the answer to the last payload.

        Raises:
            ValueError: It is wrong.
        """
        self.latencies.append(time.perf_counter() - self._asked_at)
        self._answered += 1
        if answer != ANSWER:
            raise ValueError(f"a worker answered {answer!r}, not {ANSWER!r}")
