# SPDX-License-Identifier: MIT
"""A soak test: a server with a store, clients and workers of several kinds, and random disturbances."""

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
from tests.soak.agentprocess import AgentProcess, prepare_agents
from tests.soak.ledger import SERVER, Disturbance, Ledger, Totals
from tests.soak.watch import BAND_MIB, Sample, descriptors, growth, memory_mib

__all__ = ["Report", "Soak"]

_OPTIONS = ("--stall-after=0",)  # stalls by stopped workers are expected
_STEP = 0.05  # seconds between two steps of the main loop
_SAMPLE = 1.0
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
_UNTIL_NEXT = (0.5, 2.5)  # seconds between two disturbances
_AWAY = (0.1, 3.0)  # seconds until a disturbed agent continues or is replaced
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a soak test.

    Attributes:
        faults: Failed checks.
        missing: Kinds of agents that could not run on this machine.
    """

    totals: Totals
    samples: list[Sample]
    disturbances: list[Disturbance]
    memory_growth_mib: float | None
    faults: list[str]
    missing: list[str]


class Soak:
    """A soak test, used in a ``with`` statement.

    Args:
        seed: The seed of the disturbances.
        folder: The folder for the ledger and the store.
        seconds: Seconds for which jobs are submitted.
        restarts: The seconds at which the server is killed or terminated.

    Attributes:
        ledger: The ledger.
    """

    def __init__(self, seed: int, folder: Path, *, seconds: float, restarts: Iterable[float]) -> None:
        self._chance = random.Random(seed)
        self._folder = folder
        self._seconds = seconds
        file = folder / "ledger"
        file.touch()
        self.ledger = Ledger(file)
        self._disturbances: list[Disturbance] = []
        self._samples: list[Sample] = []
        self._port = free_port()
        self._server = self._new_server()
        self._life = 1
        self._restarts = sorted(restarts)
        self._agents, self._missing = prepare_agents(f"127.0.0.1:{self._port}", file, self._disturbances)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _stop_all(self._agents, signal.SIGKILL)
        self._server.__exit__(kind, error, traceback)

    def run(self) -> Iterator[Sample]:
        """Run, and yield a sample each second."""
        for agent in self._agents:
            agent.start()
        begun = time.monotonic()
        next_disturbance = next_sample = begun
        while (now := time.monotonic()) < begun + self._seconds:
            self._replace(now)
            if now >= next_disturbance:
                self._disturb(now)
                next_disturbance = now + self._chance.uniform(*_UNTIL_NEXT)
            if self._restarts and now >= begun + self._restarts[0]:
                del self._restarts[0]
                self._restart()
            if now >= next_sample:
                next_sample = now + _SAMPLE
                self._samples.append(self._look(now - begun))
                yield self._samples[-1]
            time.sleep(_STEP)

    def end(self) -> Report:
        """Stop the clients, wait until all jobs have run, and check the ledger."""
        clients = [agent for agent in self._agents if not agent.kind.is_worker]
        _stop_all(clients)
        for agent in self._agents:
            if agent.kind.is_worker and agent.resume_at is not None:
                agent.resume()
        left = self._drain()
        _stop_all(self._agents)
        self.ledger.read()
        totals = self.ledger.check(self._disturbances)
        grown = growth(self._samples, lambda sample: sample.memory_mib)
        faults = list(totals.faults)
        if left:
            faults.append(f"{left} jobs are still queued {_TIMEOUT:g} s after the last submission")
        if grown is not None and grown > BAND_MIB:
            faults.append(f"the server's memory has grown by {grown:.1f} MiB")
        faults += self._descriptors_left()
        faults += [f"the server has logged: {line}" for line in self._server.lines if "Traceback" in line]
        return Report(totals, self._samples, self._disturbances, grown, faults, self._missing)

    def _new_server(self) -> ServerProcess:
        return ServerProcess(f"--port={self._port}", f"--store=sqlite:///{self._folder}/jobs", *_OPTIONS)

    def _replace(self, now: float) -> None:
        for agent in self._agents:
            if agent.resume_at is not None and now >= agent.resume_at:
                agent.resume()

    def _disturb(self, now: float) -> None:
        well = [agent for agent in self._agents if agent.resume_at is None and not agent.kind.is_spared]
        if well:
            self._chance.choice(well).disturb(self._chance.choice(_SIGNALS), self._chance.uniform(*_AWAY))

    def _restart(self) -> None:
        """Kill or terminate the server, and start another one on its port with its store."""
        how = (signal.SIGKILL, signal.SIGTERM)[self._life % 2]
        self._disturbances.append(Disturbance(time.time(), SERVER, "killed" if how is signal.SIGKILL else "ended"))
        self._server.stop(how)
        self._server.__exit__(None, None, None)
        self._server = self._new_server()
        self._server.__enter__()
        self._life += 1
        self._disturbances.append(Disturbance(time.time(), SERVER, "started"))

    def _look(self, seconds: float) -> Sample:
        before = self.ledger.done
        self.ledger.read()
        past = seconds - self._samples[-1].seconds if self._samples else seconds
        pid = self._server.process.pid
        spared = [agent for agent in self._agents if agent.kind.is_spared]
        return Sample(
            seconds,
            self._life,
            (self.ledger.done - before) / past if past else 0.0,
            self._queued(),
            memory_mib(pid),
            descriptors(pid),
            {agent.kind.name: memory_mib(agent.pid) or 0.0 for agent in spared if agent.pid is not None},
        )

    def _queued(self) -> int | None:
        try:
            with AdminClient(f"127.0.0.1:{self._port}") as admin:
                return sum(row.total for row in admin.status())
        except GeartrainError:
            return None

    def _drain(self) -> int | None:
        """Wait until no job is left; return the number of jobs that are left after a timeout."""
        deadline = time.monotonic() + _TIMEOUT
        while (left := self._queued()) and time.monotonic() < deadline:
            time.sleep(_STEP)
        return left

    def _descriptors_left(self) -> list[str]:
        """Compare the descriptors of the server without peers with those of a new server."""
        deadline = time.monotonic() + _TIMEOUT
        pid = self._server.process.pid
        first = self._own_descriptors()
        while (left := descriptors(pid) or 0) > first and time.monotonic() < deadline:
            time.sleep(_STEP)
        return [f"the server has {left} descriptors, and a new one has {first}"] if left > first else []

    def _own_descriptors(self) -> int:
        options = (f"--store=sqlite:///{self._folder}/no-jobs", *_OPTIONS)
        with ServerProcess(*options) as server, AdminClient(server.address) as admin:
            admin.status()
            return (descriptors(server.process.pid) or 1) - 1


def _stop_all(agents: Sequence[AgentProcess], how: signal.Signals = signal.SIGTERM) -> None:
    for agent in agents:
        agent.end(how)
    for agent in agents:
        agent.leave()
