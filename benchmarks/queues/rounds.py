# SPDX-License-Identifier: MIT
"""Rounds in which all contestants take turns, so that other load on the machine affects all of them."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measured import BenchmarkError
from benchmarks.queues.contestants import SYSTEMS, Contestant
from benchmarks.queues.environments import Environments
from benchmarks.queues.figures import Figures, Result, percentile
from benchmarks.queues.meter import Limits
from benchmarks.queues.place import Place
from benchmarks.queues.processes import Worker, client, working
from benchmarks.queues.work import count_stamps, read_stamps

__all__ = ["Measurement", "measure_all"]

_TIMEOUT = 60.0  # seconds without any progress
_LOOK = 0.02  # seconds between two looks at the progress of a worker
_REST = 0.5  # seconds after which a worker without jobs counts as idle
_RUN_UP = 0.25  # the first part of the time in which a queue is drained: the worker is still warming up


def measure_all(
    contestants: Sequence[Contestant],
    environments: Environments,
    limits: Limits,
    rounds: int,
    tell: Callable[[str], None],
) -> list[Result]:
    """Measure all contestants in each round."""
    results = [Result(contestant) for contestant in contestants]
    for number in range(rounds):
        first = number * len(results) // rounds  # each round begins with another contestant
        for result in results[first:] + results[:first]:
            tell(f"round {number + 1} of {rounds}: {result.contestant.title}")
            measurement = Measurement(result.contestant, environments, limits)
            result.rounds.append(measurement.figures)
            try:
                measurement.run()
            except BenchmarkError as error:
                result.errors.append(str(error))
    return results


class Measurement:
    """One contestant in one round.

    Attributes:
        figures: The figures so far, which stay after a failure.
    """

    def __init__(self, contestant: Contestant, environments: Environments, limits: Limits) -> None:
        self.figures = Figures()
        self._contestant = contestant
        self._system = SYSTEMS[contestant.system]
        self._environments = environments
        self._python = environments.python(contestant.system)
        self._limits = limits

    def run(self) -> None:
        """Measure everything.

        Raises:
            BenchmarkError: A measurement failed.
        """
        self._environments.require(self._contestant.system)
        with self._place() as place:
            queued = self._enqueue(place)
            self._drain(place, queued)
        with self._place() as place, working(self._python, self._contestant.system, place) as worker:
            self._call(place, worker)
            time.sleep(_REST)
            self.figures.memory_mib = worker.pss_mib()

    @contextlib.contextmanager
    def _place(self) -> Iterator[Place]:
        """Run a new broker during a block."""
        with self._contestant.broker.running() as port, tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            yield Place(port, self._contestant.settings, str(Path(folder) / "stamps"))

    def _enqueue(self, place: Place) -> int:
        """Fill the queue, and return the number of its jobs."""
        measured = self._client(place, "enqueue")
        self.figures.enqueue = measured["rate"]
        queued: int = measured["total"]
        if self._system.batches:
            measured = self._client(place, "enqueue_batches")
            self.figures.enqueue_batches = measured["rate"]
            queued += measured["total"]
        return queued

    def _drain(self, place: Place, queued: int) -> None:
        """Run a worker that empties the queue, until the time limit."""
        stamps = Path(place.stamps)
        with working(self._python, self._contestant.system, place) as worker:
            done, progress_at, began_at = 0, time.monotonic(), None
            while done < queued:
                time.sleep(_LOOK)
                worker.check()
                now = time.monotonic()
                if count_stamps(stamps) > done:
                    done, progress_at = count_stamps(stamps), now
                    began_at = began_at or now
                if began_at is not None and now - began_at > self._limits.seconds / (1 - _RUN_UP):
                    break
                if now - progress_at > _TIMEOUT:
                    raise BenchmarkError(f"no progress after {done} of {queued} jobs: {worker.last_words()}")
        times = read_stamps(stamps)
        if len(times) > queued:
            raise BenchmarkError(f"{queued} jobs were submitted, but {len(times)} were done")
        self.figures.drain = rate(times)

    def _call(self, place: Place, worker: Worker) -> None:
        """Measure calls, one at a time."""
        try:
            latencies = self._client(place, "call")["latencies"]
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}\nThe worker: {worker.last_words()}") from error
        self.figures.p50_ms = percentile(latencies, 0.5) * 1000
        self.figures.p99_ms = percentile(latencies, 0.99) * 1000

    def _client(self, place: Place, verb: str) -> Any:
        limits = self._limits
        numbers = (limits.jobs, limits.seconds, limits.warm_up)
        return client(self._python, self._contestant.system, place, verb, numbers, limits.seconds + _TIMEOUT)


def rate(times: Sequence[float]) -> float:
    """Return the jobs per second after the run-up."""
    begin = times[0] + _RUN_UP * (times[-1] - times[0])
    counted = [at for at in times if at >= begin]
    if len(counted) < 2 or counted[-1] == counted[0]:
        raise BenchmarkError(f"{len(times)} jobs are too few to tell a rate")
    return (len(counted) - 1) / (counted[-1] - counted[0])
