# SPDX-License-Identifier: MIT
"""Jobs that end just when their timeout does, and the next job on their slot.

``make test THOROUGH=1 ARGS=tests/worker/test_limits.py`` does 2,000 jobs with each kind of worker and each server.
"""

import asyncio
import contextlib
import random
import select
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from geartrain import AsyncAssignedJob
from geartrain.protocol import RESPONSE, Command, request
from tests.packets import Packets
from tests.thoroughness import often
from tests.worker.shells import PATIENCE, ShelledWorker, working

RUNS = often(25, 2000)
LIMIT = 0.03  # seconds
SPREAD = 0.002  # seconds around the limit, in which the bodies end

_OUTCOMES = (Command.WORK_COMPLETE, Command.WORK_FAIL, Command.WORK_EXCEPTION)


class RawClient:
    """A client that keeps every packet about its jobs, also those that a client would drop."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.outcomes: list[tuple[bytes, int, bytes]] = []  # handle, command and data
        self._socket = socket.create_connection((host, int(port)), PATIENCE)
        self._packets = Packets(RESPONSE)
        self._created: list[bytes] = []
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

    def finish(self) -> None:
        """Receive what the server has sent so far, and close."""
        self._socket.sendall(request(Command.ECHO_REQ, b"end"))
        while not self._echoes:
            self._receive()
        self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        assert data, "the server closed the connection"
        for command, arguments in self._packets.receive(data):
            if command == Command.JOB_CREATED:
                self._created.append(arguments[0])
            elif command in _OUTCOMES:
                self.outcomes.append((arguments[0], command, arguments[-1]))
            elif command == Command.ECHO_RES:
                self._echoes += 1


@contextlib.contextmanager
def connected(address: str) -> Iterator[RawClient]:
    client = RawClient(address)
    yield client
    client.finish()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_jobs_that_end_at_their_limit(shell: str, server: str, concurrency: int) -> None:
    worker = ShelledWorker(shell, server, concurrency=concurrency)
    chance = random.Random(11)

    async def f(job: AsyncAssignedJob) -> bytes:
        await pause(float(job.text))
        return job.workload[::-1]

    async def g(job: AsyncAssignedJob) -> bytes:
        return job.workload[::-1]

    worker.add_function("f", f, timeout=LIMIT)
    worker.add_function("g", g)
    with working(worker), connected(server) as client:
        for number in range(RUNS):
            workload = b"%.6f" % (LIMIT + chance.uniform(-SPREAD, SPREAD) if number % 5 else 0.0)
            limited = client.submit(b"f", workload)
            following = client.submit(b"g", b"after %d" % number)
            command, result = client.outcome(limited)
            if command == Command.WORK_COMPLETE:
                assert result == workload[::-1]
            assert client.outcome(following) == (Command.WORK_COMPLETE, (b"after %d" % number)[::-1])

    ends = Counter(handle for handle, _, _ in client.outcomes)
    assert len(ends) == 2 * RUNS
    assert set(ends.values()) == {1}, "a job ended twice"


async def pause(seconds: float) -> None:
    """Wait in a task, or block in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        select.select([], [], [], seconds)
    else:
        await asyncio.sleep(seconds)
