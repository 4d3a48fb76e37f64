# SPDX-License-Identifier: MIT
"""A server with a store: acknowledged jobs are stored, and it goes on while the store fails."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from geartrain import AdminClient, Client, ServerError, Worker
from geartrain.core import Durability
from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.record import JobRecord
from geartrain.protocol import Command, request
from geartrain.server import Server
from geartrain.storage import CommitOutcome, Opened, StoreError
from geartrain.testing import ServerProcess, local_options, run_server, serve_in_thread

TIMEOUT = 60.0


def stored_by(change: Change) -> list[JobRecord]:
    """Return the jobs that a change stores."""
    if isinstance(change, PutNew):
        return change.records()
    return change.records if isinstance(change, Put) else []


class GatedStore:
    """Jobs in a dictionary, behind a gate that a test opens and shuts; it fails on request.

    Attributes:
        failures_left: Number of further commits that fail.
        chokes_on: The workload of a job that it cannot store, with an error that is no `StoreError`.
        outcome: The outcome of a commit that fails.
        error: The error when its jobs are read.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, JobRecord] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.commits = 0
        self.fails = False
        self.failures_left = 0
        self.chokes_on: bytes | None = None
        self.outcome = CommitOutcome.UNKNOWN
        self.error: Exception = StoreError("the store is broken")

    async def open(self) -> Opened:
        return Opened(max(self.jobs, default=0), len(self.jobs))

    async def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        for job in list(self.jobs.values()):
            await asyncio.to_thread(self.gate.wait, TIMEOUT)
            if self.fails:
                raise self.error
            yield [job]

    async def commit(self, changes: Sequence[Change]) -> None:
        if all(isinstance(change, Reserve) for change in changes):
            return  # only numbers are reserved, which happens before the server listens
        await asyncio.to_thread(self.gate.wait, TIMEOUT)
        self.commits += 1
        if self.fails or self.failures_left:
            self.failures_left = max(self.failures_left - 1, 0)
            raise StoreError("the store is broken", self.outcome)
        stored = [job for change in changes for job in stored_by(change)]
        if any(job.workload == self.chokes_on for job in stored):
            raise OverflowError("too large")
        self.jobs |= {job.number: job for job in stored}
        for change in changes:
            if isinstance(change, Forget):
                for number in change.numbers:
                    self.jobs.pop(number, None)

    async def close(self) -> None:
        pass


@pytest.fixture
def store() -> GatedStore:
    return GatedStore()


@contextlib.contextmanager
def serving(store: GatedStore, durability: Durability = Durability.COMMIT) -> Iterator[str]:
    options = local_options(durability=durability, store_within=0.01)
    with serve_in_thread(lambda: Server(options, store=store)) as server:
        yield server.address


def test_a_client_is_answered_when_its_job_is_stored(store: GatedStore) -> None:
    with serving(store) as address, Client(address) as client:
        store.gate.clear()
        answers: list[object] = []
        submitting = threading.Thread(target=lambda: answers.append(client.submit_background("f", "w")))
        submitting.start()
        with AdminClient(address) as admin:
            while not admin.jobs():
                pass
        assert (answers, store.jobs) == ([], {})

        store.gate.set()
        submitting.join(TIMEOUT)

        assert len(answers) == len(store.jobs) == 1


def test_a_client_that_has_shut_down_its_side_is_still_answered(store: GatedStore) -> None:
    async def converse(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\0REQ\0\0\0\x12\0\0\0\x03f\0\0")
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    with serving(store) as address:
        answer = asyncio.run(asyncio.wait_for(converse(int(address.rpartition(":")[2])), TIMEOUT))

    assert answer[4:8] == b"\0\0\0\x08"


def test_relaxed_durability_answers_without_the_store(store: GatedStore) -> None:
    with serving(store, Durability.RELAXED) as address, Client(address) as client:
        store.gate.clear()
        client.submit_background("f", "w", timeout=TIMEOUT)
        assert store.jobs == {}
        store.gate.set()

    assert [job.workload for job in store.jobs.values()] == [b"w"], "at the latest at shutdown"


def test_shutdown_durability_stores_at_shutdown(store: GatedStore) -> None:
    with serving(store, Durability.SHUTDOWN) as address, Client(address) as client:
        client.submit_background("f", "w", timeout=TIMEOUT)
        client.ping()
        assert (store.jobs, store.commits) == ({}, 0)

    assert [job.workload for job in store.jobs.values()] == [b"w"]


def test_acknowledged_jobs_get_further_attempts_at_shutdown(store: GatedStore) -> None:
    with serving(store, Durability.SHUTDOWN) as address, Client(address) as client:
        store.failures_left = 2
        client.submit_background("f", "w", timeout=TIMEOUT)

    assert [job.workload for job in store.jobs.values()] == [b"w"]


def test_jobs_are_refused_while_the_store_fails_and_accepted_again_afterwards(
    store: GatedStore, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(store) as address, Client(address) as client:
        store.fails = True
        with pytest.raises(ServerError, match="QUEUE_ERROR"):
            client.submit_background("f", "w", timeout=TIMEOUT)
        for _ in range(3):
            with pytest.raises(ServerError, match="QUEUE_ERROR"):
                client.submit_background("f", "w", timeout=TIMEOUT)
        store.fails = False
        with contextlib.ExitStack() as until_taken:
            until_taken.enter_context(contextlib.suppress(StopIteration))
            while True:
                with contextlib.suppress(ServerError):
                    client.submit_background("f", "again", timeout=TIMEOUT)
                    break

    assert [job.workload for job in store.jobs.values()] == [b"again"]
    messages = [record.getMessage() for record in caplog.records if record.name == "geartrain.store"]
    assert sum("Could not store: the store is broken" in text for text in messages) == 1


class StartingStore(GatedStore):
    """A database that takes no connections at the first attempts.

    Attributes:
        attempts: The number of attempts to open it.
        was_tried: Set at the first of them.
        closed: The number of times that it was closed.
    """

    def __init__(self, starts_after: int, *, is_unavailable: bool = True) -> None:
        super().__init__()
        self.attempts = 0
        self.was_tried = asyncio.Event()
        self.closed = 0
        self._starts_after = starts_after
        self._is_unavailable = is_unavailable

    async def open(self) -> Opened:
        self.attempts += 1
        self.was_tried.set()
        if self.attempts <= self._starts_after:
            raise StoreError("the database system is starting up", is_unavailable=self._is_unavailable)
        return await super().open()

    async def close(self) -> None:
        self.closed += 1


def test_a_server_waits_for_a_database_that_is_starting(caplog: pytest.LogCaptureFixture) -> None:
    store = StartingStore(3)
    with serving(store) as address, Client(address) as client:
        client.submit_background("f", "w", timeout=TIMEOUT)

    assert store.attempts == 4
    assert [job.workload for job in store.jobs.values()] == [b"w"]
    said = "Waiting 30 seconds for the store: the database system is starting up"
    assert caplog.messages.count(said) == 1


@pytest.mark.parametrize(("wait", "is_unavailable"), [(0.0, True), (30.0, False)])
def test_a_store_that_fails_otherwise_or_for_too_long_stops_the_start(wait: float, is_unavailable: bool) -> None:
    store = StartingStore(10**6, is_unavailable=is_unavailable)
    options = local_options(durability=Durability.COMMIT, store_wait=wait)

    with (
        pytest.raises(StoreError, match="starting up"),
        serve_in_thread(lambda: Server(options, store=store)),
    ):
        pass
    assert (store.attempts, store.closed) == (1, 1)


def test_a_start_that_is_cancelled_closes_the_store_for_which_it_waits() -> None:
    store = StartingStore(10**6)

    async def start() -> None:
        server = Server(local_options(durability=Durability.COMMIT), store=store)
        starting = asyncio.ensure_future(server.start())
        await store.was_tried.wait()
        starting.cancel()
        await asyncio.wait([starting])
        assert starting.cancelled()

    asyncio.run(start())

    assert store.closed == 1


def test_jobs_are_refused_while_the_sqlite_file_is_not_in_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, away = tmp_path / "jobs.db", tmp_path / "away.db"
    with run_server(store=f"sqlite:{path}") as server, Client(server.address) as client:
        client.submit_background("f", "1", timeout=TIMEOUT)
        path.rename(away)
        for _ in range(50):
            with pytest.raises(ServerError, match="QUEUE_ERROR"):
                client.submit_background("f", "lost", timeout=TIMEOUT)
        worker = Worker(server.address, max_jobs=2)
        worker.add_function("f", lambda job: job.workload)
        foreground = client.submit("f", "foreground")
        worker.run()
        assert foreground.result(TIMEOUT) == b"foreground"
        away.rename(path)
        while True:
            with contextlib.suppress(ServerError):
                client.submit_background("f", "2", timeout=TIMEOUT)
                break

    messages = [record.getMessage() for record in caplog.records if record.name == "geartrain.store"]
    assert sum(f"Could not store: {path} was deleted or moved" in text for text in messages) == 1
    assert any("move it back" in text for text in messages)
    with contextlib.closing(sqlite3.connect(path)) as jobs:
        assert jobs.execute("SELECT workload FROM stored_jobs").fetchall() == [(b"2",)]


def test_a_server_whose_store_was_taken_over_goes_on_in_the_foreground(
    store: GatedStore, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(store) as address, Client(address) as client:
        client.submit_background("f", "w", timeout=TIMEOUT)
        store.fails, store.outcome = True, CommitOutcome.FENCED
        with pytest.raises(ServerError, match="QUEUE_ERROR"):
            client.submit_background("f", "w", timeout=TIMEOUT)
        worker = Worker(address, max_jobs=2)
        worker.add_function("f", lambda job: job.workload)
        foreground = client.submit("f", "foreground")
        worker.run()

        assert foreground.result(TIMEOUT) == b"foreground"
    assert [job.workload for job in store.jobs.values()] == [b"w"], "the other server has it now"
    assert "background jobs are rejected until this server is restarted" in caplog.text


def test_jobs_that_relaxed_has_acknowledged_are_run_when_another_server_takes_the_store_over(
    store: GatedStore, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(store, Durability.RELAXED) as address, Client(address) as client:
        store.fails, store.outcome = True, CommitOutcome.FENCED
        client.submit_background("f", "acknowledged", timeout=TIMEOUT)
        with contextlib.suppress(ServerError):
            while True:
                client.submit_background("f", "more", timeout=TIMEOUT)
        done: list[bytes] = []
        worker = Worker(address, max_jobs=1)
        worker.add_function("f", lambda job: done.append(job.workload))
        worker.run()

        assert done == [b"acknowledged"]
    assert store.jobs == {}
    assert re.search(r"\d+ acknowledged jobs? (is|are) not stored, and stay in the memory", caplog.text)


def test_a_record_that_a_store_cannot_take_is_refused_and_the_others_are_stored(
    store: GatedStore, caplog: pytest.LogCaptureFixture
) -> None:
    """This holds for any error, as the next batch may be good."""
    store.chokes_on = b"poison"
    with serving(store) as address, Client(address) as client:
        with pytest.raises(ServerError, match="QUEUE_ERROR"):
            client.submit_background("f", "poison", timeout=TIMEOUT)
        while not store.jobs:
            with contextlib.suppress(ServerError):
                client.submit_background("f", "w", timeout=TIMEOUT)

    [record] = [record for record in caplog.records if "Could not store: too large" in record.getMessage()]
    assert record.exc_info is not None


def test_while_jobs_are_restored_peers_are_answered_and_submitters_wait(store: GatedStore) -> None:
    store.jobs = {number: JobRecord(number, b"H:%d" % number, b"f", b"u", 1, b"w") for number in (1, 2)}
    store.gate.clear()
    with serving(store) as address, Client(address) as client, AdminClient(address) as admin:
        job = client.submit("f", "w", unique="u")
        assert admin.version()
        assert admin.status() == []
        assert job.handle is None
        store.gate.set()
        while job.handle is None:
            admin.version()

        assert job.handle.name == "H:1", "it is the restored job"


@pytest.mark.parametrize("error", [StoreError("the store is broken"), RuntimeError("a bug is broken")])
def test_jobs_that_cannot_be_read_stop_the_server(store: GatedStore, error: Exception) -> None:
    store.error = error
    store.jobs = {1: JobRecord(1, b"H:1", b"f", b"", 1, b"w")}
    store.fails = True

    async def serve() -> None:
        server = Server(local_options(), store=store)
        await server.start()
        await server.serve_until_stopped()

    with pytest.raises(type(error), match="broken"):
        asyncio.run(asyncio.wait_for(serve(), TIMEOUT))
    assert store.jobs


def test_a_server_on_a_free_port_has_no_store_by_default() -> None:
    with run_server() as server, Client(server.address) as client, AdminClient(server.address) as admin:
        client.submit_background("f")

        assert [job.stored for job in admin.jobs()] == [False]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


class TestTheCommand:
    def test_a_full_disk_refuses_jobs_until_there_is_room(self, small_disk: Path) -> None:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(500_000))
        words = (f"--store=sqlite://{small_disk}/jobs.db",)
        taken: list[str] = []
        with ServerProcess(*words) as server, Client(server.address) as client:

            def submit() -> None:
                taken.append(str(client.submit_background("f", bytes(10_000), timeout=TIMEOUT)))

            with contextlib.suppress(ServerError):
                while True:
                    submit()
            waited_for = client.submit("g", "w")
            client.ping()
            assert waited_for.handle is not None, "jobs that need no store go on"
            with pytest.raises(ServerError, match="QUEUE_ERROR"):
                submit()

            ballast.unlink()
            while True:
                with contextlib.suppress(ServerError):
                    submit()
                    break
            server.stop(signal.SIGKILL)

        with ServerProcess(*words) as server, AdminClient(server.address) as admin:
            server.wait_for_line(f"Restored {len(taken)} jobs")
            assert {job.handle for job in admin.jobs()} == set(taken)

    def test_jobs_survive_a_kill(self, tmp_path: Path) -> None:
        words = (f"--store=sqlite://{tmp_path}/jobs.db", "--durability=commit")
        with ServerProcess(*words) as server, Client(server.address) as client:
            handles = {str(client.submit_background("f", f"{number}")) for number in range(20)}
            server.stop(signal.SIGKILL)

        with ServerProcess(*words) as server, AdminClient(server.address) as admin:
            server.wait_for_line("Restored 20 jobs")
            assert {job.handle for job in admin.jobs()} == handles

    @pytest.mark.parametrize("when", [2**63 - 1, 2**63 - 512, 2**53 + 1])
    def test_a_job_for_the_largest_time_is_stored(self, tmp_path: Path, when: int) -> None:
        """Times are floats in the core, and the nearest float is beyond the largest number of a store."""
        words = (f"--store=sqlite://{tmp_path}/jobs.db", "--durability=commit")
        submission = request(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"%d" % when, b"w")
        with ServerProcess(*words) as server, socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as wire:
            wire.sendall(submission)
            assert wire.recv(100)[:8] == b"\0RES\0\0\0\x08"
            server.stop(signal.SIGKILL)

        with ServerProcess(*words) as server, AdminClient(server.address) as admin:
            server.wait_for_line("Restored 1 job")
            assert len(admin.jobs()) == 1

    def test_handles_are_not_used_again_after_a_stop(self, tmp_path: Path) -> None:
        numbers = []
        for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            with ServerProcess(f"--store=sqlite://{tmp_path}/jobs.db") as server, Client(server.address) as client:
                numbers.append(int(str(client.submit_background("f")).rpartition(":")[2]))
                server.stop(how)

        assert numbers[:2] == [1, 2]
        assert numbers[2] > 1_000_000, "reserved numbers may have been used"

    def test_a_second_server_on_the_same_file_does_not_start(self, tmp_path: Path) -> None:
        words = (f"--store=sqlite://{tmp_path}/jobs.db",)
        with (
            ServerProcess(*words),
            pytest.raises(AssertionError, match="another server uses this file"),
            ServerProcess(*words),
        ):
            pass
