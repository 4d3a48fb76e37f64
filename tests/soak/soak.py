# SPDX-License-Identifier: MIT
"""A server with a store, clients and workers of several kinds, and somebody who hits them at random."""

import random
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from geartrain import AdminClient, GeartrainError
from geartrain.testing import ServerProcess
from tests.job_servers import free_port
from tests.soak.cast import Actor, cast
from tests.soak.ledger import SERVER, Balance, Blow, Ledger
from tests.soak.watch import BAND_MIB, Sample, descriptors, growth, memory_mib

__all__ = ["Report", "Soak"]

_OPTIONS = ("--stall-after=0",)  # workers that are stopped are no news
_STEP = 0.05  # seconds between two looks at what is to be done
_SAMPLE = 1.0
_HITS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
_UNTIL_NEXT = (0.5, 2.5)  # seconds between two hits
_AWAY = (0.1, 3.0)  # seconds until one who was hit goes on, or is replaced
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """How a soak has gone.

    Attributes:
        faults: What must not be.
        missing: Parts for which there was nobody on this machine.
    """

    balance: Balance
    samples: list[Sample]
    blows: list[Blow]
    memory_growth_mib: float | None
    faults: list[str]
    missing: list[str]


class Soak:
    """Runs for a time, inside a ``with``.

    Args:
        seed: Decides who is hit, how and when.
        folder: For the ledger and the store.
        seconds: How long jobs are submitted.
        restarts: The seconds at which the server is killed, or ended.

    Attributes:
        ledger: What has happened so far.
    """

    def __init__(self, seed: int, folder: Path, *, seconds: float, restarts: Iterable[float]) -> None:
        self._chance = random.Random(seed)
        self._folder = folder
        self._seconds = seconds
        file = folder / "ledger"
        file.touch()
        self.ledger = Ledger(file)
        self._blows: list[Blow] = []
        self._samples: list[Sample] = []
        self._port = free_port()
        self._server = self._new_server()
        self._life = 1
        self._restarts = sorted(restarts)
        self._actors, self._missing = cast(f"127.0.0.1:{self._port}", file, self._blows)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _let_go(self._actors, signal.SIGKILL)
        self._server.__exit__(kind, error, traceback)

    def run(self) -> Iterator[Sample]:
        """Live, and yield what is seen each second."""
        for actor in self._actors:
            actor.start()
        begun = time.monotonic()
        next_hit = next_sample = begun
        while (now := time.monotonic()) < begun + self._seconds:
            self._replace(now)
            if now >= next_hit:
                self._hit(now)
                next_hit = now + self._chance.uniform(*_UNTIL_NEXT)
            if self._restarts and now >= begun + self._restarts[0]:
                del self._restarts[0]
                self._restart()
            if now >= next_sample:
                next_sample = now + _SAMPLE
                self._samples.append(self._look(now - begun))
                yield self._samples[-1]
            time.sleep(_STEP)

    def end(self) -> Report:
        """Let clients go, have all done that is queued, and balance the books."""
        clients = [actor for actor in self._actors if not actor.part.is_worker]
        _let_go(clients)
        for actor in self._actors:
            if actor.part.is_worker and actor.again_at is not None:
                actor.go_on()
        left = self._drain()
        _let_go(self._actors)
        self.ledger.read()
        balance = self.ledger.balance(self._blows)
        grown = growth(self._samples, lambda sample: sample.memory_mib)
        faults = list(balance.faults)
        if left:
            faults.append(f"{left} jobs are queued still, {_PATIENCE:g} s after the last submission")
        if grown is not None and grown > BAND_MIB:
            faults.append(f"the server's memory has grown by {grown:.1f} MiB")
        faults += self._descriptors_left()
        faults += [f"the server has logged: {line}" for line in self._server.lines if "Traceback" in line]
        return Report(balance, self._samples, self._blows, grown, faults, self._missing)

    def _new_server(self) -> ServerProcess:
        return ServerProcess(f"--port={self._port}", f"--store=sqlite:///{self._folder}/jobs", *_OPTIONS)

    def _replace(self, now: float) -> None:
        for actor in self._actors:
            if actor.again_at is not None and now >= actor.again_at:
                actor.go_on()

    def _hit(self, now: float) -> None:
        well = [actor for actor in self._actors if actor.again_at is None and not actor.part.is_spared]
        if well:
            self._chance.choice(well).hit(self._chance.choice(_HITS), self._chance.uniform(*_AWAY))

    def _restart(self) -> None:
        """End the server in one way or the other, and start the next one on its port with its store."""
        how = (signal.SIGKILL, signal.SIGTERM)[self._life % 2]
        self._blows.append(Blow(time.time(), SERVER, "killed" if how is signal.SIGKILL else "ended"))
        self._server.stop(how)
        self._server.__exit__(None, None, None)
        self._server = self._new_server()
        self._server.__enter__()
        self._life += 1
        self._blows.append(Blow(time.time(), SERVER, "started"))

    def _look(self, seconds: float) -> Sample:
        before = self.ledger.done
        self.ledger.read()
        past = seconds - self._samples[-1].seconds if self._samples else seconds
        pid = self._server.process.pid
        spared = [actor for actor in self._actors if actor.part.is_spared]
        return Sample(
            seconds,
            self._life,
            (self.ledger.done - before) / past if past else 0.0,
            self._queued(),
            memory_mib(pid),
            descriptors(pid),
            {actor.part.name: memory_mib(actor.pid) or 0.0 for actor in spared if actor.pid is not None},
        )

    def _queued(self) -> int | None:
        try:
            with AdminClient(f"127.0.0.1:{self._port}") as admin:
                return sum(row.total for row in admin.status())
        except GeartrainError:
            return None

    def _drain(self) -> int | None:
        """Wait until no job is left; return how many are after a long time."""
        deadline = time.monotonic() + _PATIENCE
        while (left := self._queued()) and time.monotonic() < deadline:
            time.sleep(_STEP)
        return left

    def _descriptors_left(self) -> list[str]:
        """Compare what the server has open, when all have gone, with what it has when nobody has come yet."""
        deadline = time.monotonic() + _PATIENCE
        pid = self._server.process.pid
        first = self._own_descriptors()
        while (left := descriptors(pid) or 0) > first and time.monotonic() < deadline:
            time.sleep(_STEP)
        return [f"the server has {left} descriptors, and {first} when nobody has come yet"] if left > first else []

    def _own_descriptors(self) -> int:
        options = (f"--store=sqlite:///{self._folder}/no-jobs", *_OPTIONS)
        with ServerProcess(*options) as server, AdminClient(server.address) as admin:
            admin.status()
            return (descriptors(server.process.pid) or 1) - 1


def _let_go(actors: Sequence[Actor], how: signal.Signals = signal.SIGTERM) -> None:
    for actor in actors:
        actor.end(how)
    for actor in actors:
        actor.leave()
