# SPDX-License-Identifier: MIT
"""Jobs that end just when their timeout does, later, or never, and the next job on their slot.

Two timers end at the limit: that of the server, which takes the job away, and half a second later that of the worker,
which kills the process or cancels the task. In the tests called ``apart`` the bodies meet the first of them, and in
those called ``together``, whose half second is none, both. Servers raise a shorter limit than a second to a second, so
many workers wait side by side, each with functions of its own.

``make time-limits`` does 2,000 jobs with each kind of worker and each server. A short run has a larger share of the
jobs whose order of events is certain, so that it fails if a late result, or the result of a body that was ended,
reaches anyone, or if the slot of such a job is lost.
"""

import asyncio
import contextlib
import os
import random
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

import pytest

from geartrain import AsyncAssignedJob
from geartrain.protocol import RESPONSE, Command, request
from geartrain.testing import run_server
from tests.job_servers import Gearmand
from tests.packets import Packets
from tests.thoroughness import THOROUGH, often
from tests.worker.shells import PATIENCE, THREADS, ShelledWorker, working

WORKERS = often(5, 20)  # side by side
ROUNDS = often(1, 25)  # jobs of each worker
CERTAIN = often(5, 50)  # one job of so many is late, one is stuck, and one ends at once
CONCURRENCIES = [1, 2] if THOROUGH else [1]
LIMIT = 1.0  # seconds; the least that servers have
SPREAD = 0.002  # seconds around the limit, in which the bodies end
LATEST = 0.2  # seconds after its limit at which a late body ends, if the server does not take the job away

# The seconds from the timer of the server to that of the worker.
TIMERS = {"apart": 0.5, "together": 0.0}


class Kind(Enum):
    """The time at which a body ends."""

    AT_ONCE = "at once"
    AT_THE_LIMIT = "at the limit"
    LATE = "late"  # after the server has taken the job away
    STUCK = "stuck"  # never: the worker has to end it


_OUTCOMES = (Command.WORK_COMPLETE, Command.WORK_FAIL, Command.WORK_EXCEPTION)


class ServerDied(Exception):
    """The server has closed the connection."""


class RawClient:
    """A client that keeps every packet about its jobs, also those that a client would drop."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.outcomes: list[tuple[bytes, int, bytes]] = []  # handle, command and data
        self._socket = socket.create_connection((host, int(port)), PATIENCE)
        self._packets = Packets(RESPONSE)
        self._created: list[bytes] = []
        self._running: list[bool] = []
        self._echoes = 0

    def submit(self, function: bytes, workload: bytes) -> bytes:
        """Submit a job and return its handle."""
        self._socket.sendall(request(Command.SUBMIT_JOB, function, b"", workload))
        while not self._created:
            self._receive()
        return self._created.pop()

    def outcome(self, handle: bytes) -> tuple[int, bytes]:
        """Wait for the end of a job, and return its first packet."""
        while True:
            for ended, command, data in self.outcomes:
                if ended == handle:
                    return command, data
            self._receive()

    def is_running(self, handle: bytes) -> bool:
        """Ask the server whether a worker has the job."""
        self._socket.sendall(request(Command.GET_STATUS, handle))
        while not self._running:
            self._receive()
        return self._running.pop()

    def finish(self) -> None:
        """Receive what the server has sent so far, and close."""
        self._socket.sendall(request(Command.ECHO_REQ, b"end"))
        while not self._echoes:
            self._receive()
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise ServerDied
        for command, arguments in self._packets.receive(data):
            if command == Command.JOB_CREATED:
                self._created.append(arguments[0])
            elif command in _OUTCOMES:
                # gearmand's WORK_FAIL in place of a WORK_EXCEPTION has a zero byte behind the handle (protocol 7.3).
                self.outcomes.append((arguments[0].removesuffix(b"\0"), command, arguments[-1]))
            elif command == Command.STATUS_RES:
                self._running.append(arguments[2] == b"1")
            elif command == Command.ECHO_RES:
                self._echoes += 1


class Attempts:
    """The attempts at jobs, as files in a folder, which all processes see."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_first(self, job: str) -> bool:
        """Record an attempt, and return True if it is the first."""
        try:
            os.close(os.open(self._folder / job, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def has_begun(self, job: str) -> bool:
        """Return True if there was an attempt."""
        return (self._folder / job).exists()

    def release(self, job: str) -> None:
        """Let a late body end."""
        (self._folder / f"{job}-may-end").touch()

    async def may_end(self, job: str, limit: float) -> None:
        """Wait in a body until it may end, or has to: gearmand forgets some timers (protocol 7.4)."""
        while not (self._folder / f"{job}-may-end").exists() and time.monotonic() < limit:
            await pause(0.001)


def kind_of(number: int, shell: str) -> Kind:
    certain = {0: Kind.AT_ONCE, 1: Kind.LATE, 2: Kind.STUCK if shell != THREADS else Kind.LATE}
    return certain.get(number % CERTAIN, Kind.AT_THE_LIMIT)


@pytest.mark.parametrize("timers", TIMERS)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_jobs_that_end_at_their_limit_on_our_server(
    shell: str, concurrency: int, timers: str, limits: "Limits", monkeypatch: pytest.MonkeyPatch
) -> None:
    set_timers(monkeypatch, timers)
    with run_server() as server, limits.connected(server.address, shell, concurrency):
        for number in range(ROUNDS):
            limits.do_round(number)


@pytest.mark.interop
@pytest.mark.parametrize("timers", TIMERS)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_jobs_that_end_at_their_limit_on_gearmand(
    shell: str, concurrency: int, timers: str, limits: "Limits", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gearmand crashes now and then when a result meets its timer (protocol 7.4); it is started again then."""
    set_timers(monkeypatch, timers)
    gearmand = Gearmand(tmp_path)
    number = 0
    while number < ROUNDS:
        with gearmand.running():
            try:
                with limits.connected(gearmand.address, shell, concurrency):
                    while number < ROUNDS:
                        number += 1
                        limits.do_round(number - 1)
            except ServerDied:
                if not gearmand.has_crashed():
                    raise
                limits.crashed()


def set_timers(monkeypatch: pytest.MonkeyPatch, timers: str) -> None:
    for module in ("sync.process", "sync.loop", "aio.loop"):
        monkeypatch.setattr(f"geartrain.worker.{module}.SERVER_FIRST", TIMERS[timers])


@pytest.fixture
def limits(tmp_path: Path, record_property: Callable[[str, object], None]) -> Iterator["Limits"]:
    """Rounds of jobs, whose outcomes are in the report that ``--junitxml`` writes."""
    limits = Limits(tmp_path)
    yield limits
    for name, count in limits.counts.items():
        record_property(name, count)


class Limits:
    """Rounds of jobs: each worker gets one that has a limit, and directly after it one that has none."""

    def __init__(self, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._attempts = Attempts(folder)
        self._chance = random.Random(11)
        self._shell = ""
        self._client: RawClient | None = None

    @contextlib.contextmanager
    def connected(self, address: str, shell: str, concurrency: int) -> Iterator[None]:
        """Run the workers; at the end, check that each job has ended once."""
        self._shell = shell
        with contextlib.ExitStack() as stack:
            client = self._client = stack.enter_context(contextlib.closing(RawClient(address)))
            for place in range(WORKERS):
                stack.enter_context(working(limited_worker(shell, address, concurrency, place, self._attempts)))
                # One after the other, as a worker with processes forks when it begins.
                assert client.outcome(client.submit(b"g%d" % place, b"ab")) == (Command.WORK_COMPLETE, b"ba")
            yield
            client.finish()
        ends = Counter(handle for handle, _, _ in client.outcomes)
        assert set(ends.values()) == {1}, "a job ended twice"

    def do_round(self, number: int) -> None:
        """Do one job with a limit at each worker, and the job after it."""
        client = self._client
        assert client is not None, "it is connected"
        jobs = range(number * WORKERS, (number + 1) * WORKERS)
        kinds = [kind_of(job, self._shell) for job in jobs]
        workloads = [
            f"{job}/{kind.value}/{LIMIT + self._chance.uniform(-SPREAD, SPREAD):.6f}".encode()
            for job, kind in zip(jobs, kinds, strict=True)
        ]
        limited = [client.submit(b"f%d" % place, workload) for place, workload in enumerate(workloads)]
        following = [client.submit(b"g%d" % place, workload + b"!") for place, workload in enumerate(workloads)]
        for job, kind, handle in zip(jobs, kinds, limited, strict=True):
            if kind is Kind.LATE:
                while not self._attempts.has_begun(str(job)) or client.is_running(handle):
                    pass
                self._attempts.release(str(job))
        for place, workload in enumerate(workloads):
            command, result = client.outcome(limited[place])
            if command == Command.WORK_COMPLETE:
                assert result == workload[::-1]
            assert client.outcome(following[place]) == (Command.WORK_COMPLETE, b"!" + workload[::-1])
            self.counts[Command(command).name] += 1

    def crashed(self) -> None:
        """Count a crash of the server, with which the jobs of a round are lost."""
        self.counts["crashes"] += 1


def limited_worker(shell: str, server: str, concurrency: int, place: int, attempts: Attempts) -> ShelledWorker:
    """Return a worker with one function that has a limit, and one that has none."""
    # A thread cannot be ended, so its slot is lost until it ends; no number of such slots makes this worker leave.
    worker = ShelledWorker(shell, server, concurrency=concurrency, max_stuck=ROUNDS + 1)

    async def f(job: AsyncAssignedJob) -> bytes:
        name, kind, seconds = job.text.split("/")
        if not attempts.is_first(name):
            return job.workload[::-1]  # else a server without a limit of attempts would go on for ever
        if kind == Kind.AT_THE_LIMIT.value:
            await pause(float(seconds))
        elif kind == Kind.LATE.value:
            assert job.deadline is not None, "the function has a timeout"
            await attempts.may_end(name, job.deadline + LATEST)
        while kind == Kind.STUCK.value:
            await pause(1.0)
        return job.workload[::-1]

    async def g(job: AsyncAssignedJob) -> bytes:
        return job.workload[::-1]

    worker.add_function(f"f{place}", f, timeout=LIMIT)
    worker.add_function(f"g{place}", g)
    return worker


async def pause(seconds: float) -> None:
    """Wait in a task, or block in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        select.select([], [], [], seconds)
    else:
        await asyncio.sleep(seconds)
