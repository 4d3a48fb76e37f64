# SPDX-License-Identifier: MIT
"""Two servers under load, which are stopped by SIGTERM and started again, one after the other."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geartrain import AdminClient, AsyncAssignedJob, Client
from geartrain.testing import ServerProcess
from tests.client.shells import Shell, shell
from tests.faults.conftest import QUICK
from tests.job_servers import free_port
from tests.worker.shells import PATIENCE, ShelledWorker, working

__all__ = ["shell"]


RESTARTS = 2  # in all
JOBS = 200  # of each client


class DurableServer:
    """A server on a port of its own, with a store, that can be restarted."""

    def __init__(self, folder: Path) -> None:
        self._words = (f"--port={free_port()}", f"--store=sqlite://{folder / 'jobs.db'}", "--bind-timeout=20")
        self._running = contextlib.ExitStack()
        self._process: ServerProcess

    @property
    def address(self) -> str:
        return self._process.address

    def start(self) -> None:
        self._process = self._running.enter_context(ServerProcess(*self._words))

    def restart(self) -> None:
        """Stop it like a service manager, and start it again."""
        assert self._process.stop() == 0
        assert not any("Abandoned" in line for line in self._process.lines), self._process.lines
        self._running.close()
        self.start()

    def close(self) -> None:
        self._running.close()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[DurableServer]]:
    servers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        servers.append(DurableServer(tmp_path / name))
    with contextlib.ExitStack() as stack:
        for server in servers:
            server.start()
            stack.callback(server.close)
        yield servers


class Tally:
    """Counts of the jobs that ran, which a test can wait for."""

    def __init__(self) -> None:
        self.done: Counter[bytes] = Counter()
        self._changed = threading.Condition()

    def add(self, what: bytes) -> None:
        with self._changed:
            self.done[what] += 1
            self._changed.notify_all()

    def wait_for(self, kinds: int) -> None:
        """Wait until so many different jobs have run."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.done) >= kinds, PATIENCE), f"{len(self.done)} of {kinds}"


class Load:
    """A thread that makes calls, and keeps their results."""

    def __init__(self, call: Callable[[int], object]) -> None:
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self.answers: list[object] = []
        self.failures: list[Exception] = []

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.wait()

    def wait(self) -> None:
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        for number in range(JOBS):
            try:
                self.answers.append(self._call(number))
            except Exception as error:  # noqa: BLE001  # the test checks that there is none
                self.failures.append(error)


@pytest.mark.parametrize("shell", ["blocking", "uvloop"], indirect=True)
def test_lose_no_job_that_was_acknowledged_and_no_call(servers: list[DurableServer], shell: Shell) -> None:
    """Each acknowledged workload must have run at least once, and every call must have its result."""
    tally = Tally()

    async def note(job: AsyncAssignedJob) -> bytes:
        tally.add(job.workload)
        return job.workload[::-1]

    addresses = [server.address for server in servers]
    worker = ShelledWorker("threads", *addresses, concurrency=4, backoff=QUICK)
    worker.add_function("note", note)
    with working(worker), shell.client(addresses) as client, shell.client(addresses[::-1]) as other:

        def in_foreground(who: Client) -> Callable[[int], bytes]:
            return lambda number: who.do("note", b"foreground %d" % number, resubmits=RESTARTS, timeout=PATIENCE)

        def in_background(who: Client) -> Callable[[int], object]:
            return lambda number: who.submit_background("note", b"background %d" % number, timeout=PATIENCE)

        with Load(in_foreground(client)) as calls, Load(in_background(other)) as submissions:
            for number in range(RESTARTS):
                tally.wait_for((number + 1) * JOBS // (RESTARTS + 1))
                servers[number % 2].restart()
        assert calls.failures == submissions.failures == []
        assert calls.answers == [(b"foreground %d" % number)[::-1] for number in range(JOBS)]

        tally.wait_for(2 * JOBS)
    for server in servers:
        with AdminClient(server.address, timeout=PATIENCE) as admin:
            assert admin.jobs() == []
