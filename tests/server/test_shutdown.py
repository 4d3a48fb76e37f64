# SPDX-License-Identifier: MIT
"""The shutdown: the jobs, stores and replies that it waits for, its timeouts, and its log."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from geartrain import Client, ConnectionLost
from geartrain.core.changes import Change, Reserve
from geartrain.core.record import JobRecord
from geartrain.protocol import Command, request
from geartrain.server import Server
from geartrain.storage import Opened
from geartrain.testing import ServerProcess, local_options
from tests.client.peers import RawWorker

TIMEOUT = 60.0
LONG = "--drain-timeout=1000"
DRAINING = "Draining for up to 1000 seconds, waiting for 1 running job (hold 1)"


def test_term_waits_for_running_jobs_and_logs_them() -> None:
    with ServerProcess(LONG) as server, Client(server.address) as client, RawWorker(server.port) as worker:
        job = client.submit("hold")
        handle = worker.held.get(timeout=TIMEOUT)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_line(DRAINING)
        worker.complete(handle, b"done")

        assert job.result(TIMEOUT) == b"done"
        assert server.wait() == 0
        assert not any("Abandoned" in line for line in server.lines)


def test_a_second_term_waits_for_nothing(tmp_path: Path) -> None:
    words = (LONG, f"--store=sqlite://{tmp_path / 'jobs.db'}")
    with ServerProcess(*words) as server, Client(server.address) as client, RawWorker(server.port) as worker:
        client.submit_background("unknown")
        job = client.submit("hold")
        worker.held.get(timeout=TIMEOUT)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_line(DRAINING)

        assert server.stop() == 0
        server.wait_for_line("Shutdown requested by SIGTERM, again")
        with pytest.raises(ConnectionLost):
            job.result(TIMEOUT)
        server.wait_for_line("Abandoned: 1 running job (hold 1)")
        server.wait_for_line("1 background job stays in the store")


def test_the_shutdown_has_a_timeout() -> None:
    words = ("--drain-timeout=0.2", "--store=none")
    with ServerProcess(*words) as server, Client(server.address) as client, RawWorker(server.port) as worker:
        client.submit_background("hold")
        worker.held.get(timeout=TIMEOUT)

        assert server.stop() == 0
        server.wait_for_line("Abandoned: 1 running job (hold 1)")
        server.wait_for_line("Lost 1 background job that no store has")


def test_peers_without_a_running_job_are_disconnected_at_once() -> None:
    with (
        ServerProcess(LONG) as leaving,
        ServerProcess() as other,
        RawWorker(leaving.port) as worker,
        RawWorker(other.port),
        Client([leaving.address, other.address]) as client,
        Client([leaving.address, other.address]) as idle,
    ):
        held = client.submit("hold")
        idle.ping()
        handle = worker.held.get(timeout=TIMEOUT)
        leaving.process.send_signal(signal.SIGTERM)
        leaving.wait_for_line(DRAINING)

        assert idle.do("reverse", "abc", timeout=TIMEOUT) == b"cba"
        worker.complete(handle, b"done")
        assert held.result(TIMEOUT) == b"done"
        assert client.do("reverse", "abc", timeout=TIMEOUT) == b"cba"
        assert leaving.wait() == 0


class StuckStore:
    """A store that answers no commit until a test lets it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gate = threading.Event()

    async def open(self) -> Opened:
        return Opened(0, 0)

    async def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        for batch in list[Sequence[JobRecord]]():
            yield batch

    async def commit(self, changes: Sequence[Change]) -> None:
        if all(isinstance(change, Reserve) for change in changes):
            return  # only numbers are reserved, which happens before the server listens
        self.begun.set()
        await asyncio.to_thread(self.gate.wait, TIMEOUT)

    async def close(self) -> None:
        pass


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def leave(store: StuckStore, *, force: bool, **timeouts: float) -> tuple[Server, bytes]:
    """Stop a server with a store that does not answer; return it, and the answer to a submitter."""
    server = Server(local_options(drain_timeout=0.05, **timeouts), store=store)
    async with asyncio.timeout(TIMEOUT):
        await server.start()
        [address] = server.addresses
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))
        await asyncio.to_thread(store.begun.wait, TIMEOUT)
        server.drain()
        if force:
            asyncio.get_running_loop().call_later(0.02, server.drain)
        await server.serve_until_stopped()
        told = await reader.read()
        await close(writer)
        store.gate.set()
        return server, told


@pytest.mark.parametrize(("timeout", "force"), [("store_close_timeout", False), ("force_timeout", True)])
def test_a_store_that_does_not_answer_does_not_block_the_shutdown(
    timeout: str, force: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "geartrain.server")

    server, told = asyncio.run(leave(StuckStore(), force=force, **{timeout: 0.02}))

    assert told == b"", "no job is promised that may not be stored"
    assert server.is_stuck
    assert "waiting for 1 change that the store does not have" in caplog.text
    assert "Abandoned: 1 change that the store does not have" in caplog.text


def test_the_shutdown_waits_for_unsent_data(caplog: pytest.LogCaptureFixture) -> None:
    """The data is logged, with a function whose name could break the line."""

    async def scenario() -> tuple[bytes, int]:
        server = Server(local_options(drain_timeout=TIMEOUT))
        size = 12 << 20
        async with asyncio.timeout(TIMEOUT), server:
            [address] = server.addresses
            reader, writer = await asyncio.open_connection(address.host, address.port, limit=1024)
            writer.write(request(Command.ECHO_REQ, bytes(size)))
            head = await reader.readexactly(12)
            server.drain()
            rest = asyncio.create_task(reader.readexactly(size))
            await server.serve_until_stopped()
            body = await rest
            await close(writer)
            return head, len(body)

    caplog.set_level(logging.INFO, "geartrain.server")
    head, size = asyncio.run(scenario())

    assert head[:4] == b"\0RES"
    assert size == 12 << 20
    assert "bytes unsent to 1 peer" in caplog.text
    assert "Abandoned" not in caplog.text
