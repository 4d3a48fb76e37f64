# SPDX-License-Identifier: MIT
"""The blocking client and real servers, gearmand's and ours, with a worker that is neither."""

import contextlib
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from geartrain import (
    TLS,
    Client,
    ConnectionLost,
    Data,
    JobException,
    JobFailed,
    JobRequest,
    JobStatus,
    JobTimeout,
    NoServerAvailable,
    Priority,
    Progress,
    ServerError,
    SubmittedJob,
    Warn,
    Worker,
)
from geartrain.testing import run_server
from tests.client.peers import PATIENCE, RawWorker
from tests.client.shells import Shell
from tests.job_servers import Gearmand, needs
from tests.thoroughness import often
from tests.waiting import wait_until

pytestmark = pytest.mark.interop


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def admin(address: str, line: str) -> str:
    """Return the one-line reply to a command of the text protocol."""
    with socket.create_connection(("127.0.0.1", port_of(address))) as sock, sock.makefile("rw") as text:
        text.write(line + "\n")
        text.flush()
        return text.readline()


@pytest.fixture
def worker(server: str) -> Iterator[RawWorker]:
    with RawWorker(port_of(server)) as worker:
        yield worker


@pytest.fixture
def client(shell: Shell, server: str, worker: RawWorker) -> Iterator[Client]:
    with shell.client(server) as client:
        yield client


def test_a_job_is_done(client: Client) -> None:
    assert client.do("reverse", "Hello World!") == b"!dlroW olleH"
    assert client.do("reverse", b"a\0b", priority=Priority.HIGH) == b"b\0a"
    assert client.do("reverse") == b""


def test_a_job_fails(client: Client) -> None:
    with pytest.raises(JobFailed):
        client.do("fail")


def test_a_job_raises(client: Client) -> None:
    with pytest.raises(JobException, match="ValueError: because") as caught:
        client.do("raise", "because")

    assert caught.value.handle


def test_a_job_talks(client: Client) -> None:
    job = client.submit("talk", "ab")

    assert list(job) == [Data(b"part"), Warn(b"careful"), Progress(1, 2)]
    assert job.result() == b"ba"


def test_jobs_with_one_unique_are_one_job(client: Client, worker: RawWorker) -> None:
    first = client.submit("hold", unique="same")
    handle = worker.held.get(timeout=PATIENCE)
    second, other = client.submit("hold", unique="same"), client.submit("hold", unique="other")
    other_handle = worker.held.get(timeout=PATIENCE)
    assert client.status(unique="same") == JobStatus(known=True, running=True, waiting_clients=2)
    worker.complete(handle, b"once")
    worker.complete(other_handle, b"alone")

    assert [job.result(PATIENCE) for job in (first, second, other)] == [b"once", b"once", b"alone"]
    assert first.handle == second.handle
    assert client.do("reverse", "ab") == b"ba"


def test_a_background_job_has_a_handle_and_a_status(client: Client, worker: RawWorker, server: str) -> None:
    handle = client.submit_background("hold", unique="u")
    worker.held.get(timeout=PATIENCE)

    assert handle.server == server
    assert client.status(handle) == JobStatus(known=True, running=True)
    assert client.status(str(handle)) == client.status(handle)
    assert client.status(unique="u") == JobStatus(known=True, running=True, waiting_clients=0)
    worker.complete(str(handle).encode(), b"")
    while client.status(handle).known:
        pass
    assert client.status(handle) == JobStatus()
    assert client.status(unique="unknown") == JobStatus(waiting_clients=0)


def test_a_delayed_job_waits(client: Client, worker: RawWorker) -> None:
    handle = client.submit_background("reverse", delay=3600)

    assert client.do("reverse", "ab") == b"ba"
    assert client.status(handle) == JobStatus(known=True)


def test_a_delayed_job_may_have_a_fraction_and_a_priority(client: Client, worker: RawWorker) -> None:
    handles = [
        client.submit_background("reverse", delay=delay, priority=priority)
        for delay, priority in ((3600.25, Priority.HIGH), (3600.5, Priority.LOW))
    ]

    assert client.do("reverse", "ab") == b"ba"
    assert [client.status(handle) for handle in handles] == [JobStatus(known=True)] * 2


def test_a_time_zone_is_an_error_where_nothing_repeats(client: Client, server: str) -> None:
    if admin(server, "show schedules") == ".\n":
        assert client.submit_background("reverse", cron="@daily", timezone="Europe/Berlin").server == server
    else:
        with pytest.raises(ServerError, match="INVALID_COMMAND"):
            client.submit_background("reverse", cron="@daily", timezone="Europe/Berlin")
    assert client.do("reverse", "ab") == b"ba"


def test_a_full_queue_refuses_one_job_and_not_the_next(client: Client, server: str) -> None:
    client.submit_background("unserved", "first")
    assert admin(server, "maxqueue unserved 1") == "OK\n"

    with pytest.raises(ServerError, match="Job queue is full") as caught:
        client.submit_background("unserved", "second")
    with pytest.raises(ServerError):
        client.do("unserved")
    assert caught.value.code == "QUEUE_ERROR"
    assert client.do("reverse", "ab") == b"ba"


def test_an_echo_takes_some_time(client: Client) -> None:
    assert 0.0 < client.ping() < PATIENCE


def test_a_job_without_a_worker_times_out(client: Client) -> None:
    client.ping()  # now it is connected
    with pytest.raises(JobTimeout):
        client.do("unserved", timeout=0.05)
    assert client.do("reverse", "ab") == b"ba"


def test_a_huge_job_is_done(client: Client) -> None:
    huge = os.urandom(1 << 20) * 17

    assert client.do("reverse", huge) == huge[::-1]


def test_many_jobs_go_in_one_write(shell: Shell, client: Client) -> None:
    jobs = client.submit_many([JobRequest("reverse", str(number)) for number in range(1000)])

    assert {job.result().decode()[::-1] for job in shell.as_completed(jobs, PATIENCE)} == set(map(str, range(1000)))


def test_results_come_in_order(client: Client) -> None:
    endless = (b"%d" % number for number in itertools.count())
    results = itertools.islice(client.map("reverse", endless), often(2_000, 10_000))

    assert all(result[::-1] == b"%d" % number for number, result in enumerate(results))


def test_threads_hammer_one_client(client: Client) -> None:
    def hammer(name: int) -> None:
        for result in client.map("reverse", (b"%d:%d" % (name, number) for number in range(jobs))):
            seen.add(result[::-1])
        seen.add(client.do("reverse", b"end of %d" % name)[::-1])

    seen: set[bytes] = set()
    jobs = often(100, 500)
    threads = [threading.Thread(target=hammer, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8 * (jobs + 1)


def is_created(job: SubmittedJob) -> bool:
    """Tell whether the client has read that the server took a job; a blocking client reads while something waits."""
    with contextlib.suppress(JobTimeout):
        job.result(0.0)
    return job.handle is not None


def test_a_server_that_is_killed_takes_its_jobs_with_it(shell: Shell, tmp_path: Path) -> None:
    first, second = Gearmand(tmp_path), Gearmand(tmp_path)
    with first.running(), second.running(), shell.client([first.address, second.address]) as client:
        with RawWorker(first.port) as worker:
            lost, kept = client.submit("hold"), client.submit("hold", resubmits=1)
            for _ in range(2):
                worker.held.get(timeout=PATIENCE)
            wait_until(lambda: is_created(lost) and is_created(kept))  # what is not created may go to another server
            first.kill()

        with RawWorker(second.port) as worker:
            worker.complete(worker.held.get(timeout=PATIENCE), b"second run")

            with pytest.raises(ConnectionLost):
                lost.result(PATIENCE)
            assert kept.result(PATIENCE) == b"second run"
            assert kept.handle is not None
            assert kept.handle.server == second.address
            assert client.do("reverse", "ab") == b"ba"


def test_a_server_that_comes_back_is_used_again(shell: Shell, tmp_path: Path) -> None:
    gearmand = Gearmand(tmp_path)
    with gearmand.running(), shell.client(gearmand.address) as client:
        for _ in range(3):
            with RawWorker(gearmand.port):
                assert client.do("reverse", "ab", resubmits=1) == b"ba"
            gearmand.kill()
            with pytest.raises(NoServerAvailable):
                client.do("reverse", "ab", timeout=PATIENCE)
            gearmand.start()


def test_debians_worker_works_for_us(server: str, tmp_path: Path) -> None:
    command = [needs("/usr/bin/gearman"), "-h", "127.0.0.1", "-p", str(port_of(server)), "-w", "-f", "wc"]
    worker = subprocess.Popen([*command, "--", "wc", "-l"])
    try:
        with Client(server) as client:
            assert client.do("wc", "a\nb\nc\n", timeout=PATIENCE).strip() == b"3"
    finally:
        worker.kill()
        worker.wait()


def test_everything_works_encrypted(shell: Shell, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    huge = os.urandom(1 << 20) * 8

    files = {"ssl_certificate": str(tmp_path / "server.pem"), "ssl_key": str(tmp_path / "key.pem")}
    with run_server(ssl=True, **files) as server:
        address = f"localhost:{server.port}"
        tls = TLS(ca=tmp_path / "ca.pem")
        worker = Worker(address, tls=tls)
        worker.add_function("reverse", lambda job: job.workload[::-1])
        thread = threading.Thread(target=worker.run)
        thread.start()
        with shell.client(address, tls=tls) as client:
            assert client.do("reverse", huge, timeout=PATIENCE) == huge[::-1]
            assert list(client.map("reverse", ["ab", "cd"])) == [b"ba", b"dc"]
        worker.stop()
        thread.join()
        # The server closes the connection before or after the job is sent.
        with shell.client(address) as plain, pytest.raises((ConnectionLost, NoServerAvailable)):
            plain.do("reverse", timeout=PATIENCE)
