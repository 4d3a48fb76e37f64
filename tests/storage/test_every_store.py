# SPDX-License-Identifier: MIT
"""Servers on each of the stores do not have the faults of gearmand's queues (protocol 7.5)."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from geartrain import Client, Priority, ServerError, Worker
from geartrain.core.record import JobRecord
from geartrain.storage import StoreError, open_store
from geartrain.testing import ServerProcess, run_server
from tests.job_servers import free_port
from tests.storage.engines import Engine
from tests.storage.places import ENGINES, KINDS, clear, url_of

PATIENCE = 60.0


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that has never been used."""
    kind = request.param
    if kind == "sqlite":
        return url_of(kind, 0, tmp_path)
    engine: Engine = request.getfixturevalue(f"{kind}_engine")
    clear(kind, engine)
    return url_of(kind, engine.port, tmp_path)


def kept(url: str) -> list[JobRecord]:
    """Return the jobs in a store, which a server may be using."""

    async def read() -> list[JobRecord]:
        store = open_store(url, only_reads=True)
        await store.open()
        try:
            return [record async for records in store.replay() for record in records]
        finally:
            await store.close()

    return asyncio.run(read())


@contextlib.contextmanager
def client_of(url: str) -> Iterator[Client]:
    """Start a server on a store."""
    with run_server(store=url) as server, Client(server.address) as client:
        yield client


def work(url: str, function: str, count: int = 1) -> list[tuple[str, bytes]]:
    """Start a server on a store, and do some jobs; return uniques and workloads."""
    done: list[tuple[str, bytes]] = []
    with run_server(store=url) as server:
        worker = Worker(server.address, max_jobs=count)
        worker.add_function(function, lambda job: done.append((job.unique, job.workload)))
        worker.run()
    return done


def test_several_jobs_without_a_unique_are_all_kept_and_end_one_by_one(url: str) -> None:
    with client_of(url) as client:
        for workload in (b"1", b"2", b"3"):
            client.submit_background("f", workload, unique="")

    assert [job.workload for job in kept(url)] == [b"1", b"2", b"3"]
    assert work(url, "f") == [("", b"1")]
    assert [job.workload for job in kept(url)] == [b"2", b"3"]
    assert work(url, "f", 2) == [("", b"2"), ("", b"3")]
    assert kept(url) == []


def test_an_empty_workload_comes_back_empty(url: str) -> None:
    with client_of(url) as client:
        client.submit_background("f", b"", unique="u")

    assert work(url, "f") == [("u", b"")]


def test_a_job_for_a_day_after_2038_keeps_its_time(url: str) -> None:
    with client_of(url) as client:
        client.submit_background("f", b"w", at=2**40)
    with client_of(url) as client:
        client.submit_background("g", b"w")

    assert [(job.function, job.run_at) for job in kept(url)] == [(b"f", 2**40 * 1000), (b"g", 0)]


def test_a_unique_that_looks_like_sql_affects_no_other_job(url: str) -> None:
    with client_of(url) as client:
        client.submit_background("f", b"w", unique="x' OR '1'='1")
        client.submit_background("g", b"'; DROP TABLE geartrain_jobs; --", unique="u")

    assert work(url, "f") == [("x' OR '1'='1", b"w")]
    assert work(url, "g") == [("u", b"'; DROP TABLE geartrain_jobs; --")]


def test_a_function_with_a_dash_comes_back_as_itself(url: str) -> None:
    with client_of(url) as client:
        client.submit_background("send-mail", b"w", unique="a-b")

    assert work(url, "send-mail") == [("a-b", b"w")]


def test_zero_bytes_do_not_cut_a_workload(url: str) -> None:
    with client_of(url) as client:
        client.submit_background("f", b"\0\0leading, \0 and \xff\0", unique="u")

    assert work(url, "f") == [("u", b"\0\0leading, \0 and \xff\0")]


def test_jobs_come_back_with_their_own_priorities(url: str) -> None:
    with client_of(url) as client:
        for workload, priority in ((b"3", Priority.LOW), (b"2", Priority.NORMAL), (b"1", Priority.HIGH)):
            client.submit_background("f", workload, priority=priority)

    assert [workload for _, workload in work(url, "f", 3)] == [b"1", b"2", b"3"]


def test_a_store_can_be_read_while_a_server_uses_it(url: str) -> None:
    with client_of(url) as client:
        client.submit_background("f", b"first")
        assert [job.workload for job in kept(url)] == [b"first"]
        client.submit_background("f", b"second")

        assert [job.workload for job in kept(url)] == [b"first", b"second"]


def test_reading_creates_nothing(url: str) -> None:
    for _ in range(2):
        if url.startswith(("redis", "memcached")):
            assert kept(url) == []  # no key says whether there have ever been any
        else:
            with pytest.raises(StoreError, match=r"there are no jobs of a Geartrain server|there is no such file"):
                kept(url)


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_is_away_at_the_start_is_reported_then(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    url = url_of(kind, free_port(), tmp_path / "file")

    command = [sys.executable, "-m", "geartrain.cli.gearmand", "--listen=127.0.0.1", f"--port={free_port()}"]
    done = subprocess.run(
        [*command, "--store-wait=0", f"--store={url}"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert ("jobs.db" if kind == "sqlite" else "127.0.0.1") in done.stderr


@pytest.mark.parametrize("kind", sorted(ENGINES))
def test_a_server_waits_for_an_engine_that_starts_after_it(kind: str, tmp_path: Path) -> None:
    with ENGINES[kind](tmp_path).running() as engine:
        engine.kill()
        server = ServerProcess("--store", url_of(kind, engine.port, tmp_path), "--store-wait", "600")
        with ThreadPoolExecutor(1) as thread:
            starting = thread.submit(server.__enter__)
            try:
                server.wait_for_line("Waiting 600 seconds for the store")
            finally:
                engine.start()
                starting.result(PATIENCE)
        with contextlib.ExitStack() as stack:
            stack.push(server)
            stack.enter_context(Client(server.address)).submit_background("f", b"w")

        assert [job.workload for job in kept(url_of(kind, engine.port, tmp_path))] == [b"w"]


@pytest.mark.parametrize("kind", sorted(ENGINES))
def test_a_connection_that_is_lost_is_repaired(kind: str, tmp_path: Path) -> None:
    """While the store is away new jobs are refused; what was accepted before and after is there."""
    with ENGINES[kind](tmp_path).running() as engine:
        url = url_of(kind, engine.port, tmp_path)
        with ServerProcess("--store", url) as server, Client(server.address) as client:
            client.submit_background("f", b"before")
            engine.kill()
            with pytest.raises(ServerError, match="QUEUE_ERROR"):
                client.submit_background("f", b"refused")
            assert client.ping() < PATIENCE
            engine.start()
            _retry(lambda: client.submit_background("f", b"after"))

        survivors = [b"after"] if kind == "memcached" else [b"before", b"after"]
        assert [job.workload for job in kept(url)] == survivors


def _retry(call: Callable[[], object]) -> None:
    """Call until the server finds its store again, which it looks for now and then."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            call()
            return
        except ServerError:
            assert time.monotonic() < deadline
