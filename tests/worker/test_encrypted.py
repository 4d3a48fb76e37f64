# SPDX-License-Identifier: MIT
"""The same over TLS and over a socket in the file system, with the library and with the commands."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from geartrain import TLS, AdminClient, AssignedJob, AsyncAssignedJob, Client, Worker
from geartrain.server import Endpoint
from geartrain.testing import run_server
from geartrain.transport import Backoff
from tests.worker.shells import PATIENCE, ShelledWorker, working


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """The file with the authority's certificate; a server's stands beside it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    return tmp_path / "ca.pem"


@pytest.fixture
def server(ca: Path) -> Iterator[str]:
    with run_server(ssl=True, ssl_certificate=str(ca.with_name("server.pem"))) as running:
        yield running.address


def check(shell: str, server: str, tls: TLS | None) -> None:
    worker = ShelledWorker(shell, server, tls=tls)
    workload = bytes(range(256)) * 4096

    @worker.function
    async def echo(job: AsyncAssignedJob) -> bytes:
        return job.workload

    with working(worker), Client(server, tls=tls) as client, AdminClient(server, tls=tls) as admin:
        assert client.do("echo", workload, timeout=PATIENCE) == workload
        assert [row.workers for row in admin.status()] == [1]


def test_a_worker_speaks_tls(shell: str, server: str, ca: Path) -> None:
    check(shell, server, TLS(ca=ca))


def test_a_worker_that_leaves_has_sent_its_result(shell: str, server: str, ca: Path) -> None:
    worker = ShelledWorker(shell, server, tls=TLS(ca=ca), max_jobs=1)

    @worker.function
    async def large(job: AsyncAssignedJob) -> bytes:
        return bytes(20_000_000)

    with Client(server, tls=TLS(ca=ca)) as client:
        job = client.submit("large")
        worker.run()
        assert job.result(PATIENCE) == bytes(20_000_000)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_job_whose_process_dies_goes_back_over_tls(server: str, ca: Path, tmp_path: Path) -> None:
    worker = Worker(server, tls=TLS(ca=ca), executor="process", backoff=Backoff(first=0.0, longest=0.0))

    @worker.function
    def f(job: AssignedJob) -> str:
        with (tmp_path / "runs").open("a") as runs:
            runs.write(".")
        if (tmp_path / "runs").read_text() == ".":
            os._exit(1)
        return "done"

    with working(worker), Client(server, tls=TLS(ca=ca)) as client:
        assert client.do("f", timeout=PATIENCE) == b"done"
    assert (tmp_path / "runs").read_text() == ".."


def test_a_worker_speaks_through_the_file_system(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with run_server(listen=(Endpoint(path=str(path)),)):
        check(shell, f"unix:{path}", None)


def test_the_commands_speak_tls(server: str, ca: Path) -> None:
    environment = {**os.environ, "GEARMAND_CA_CERTIFICATE": str(ca)}
    host, _, port = server.rpartition(":")

    def run(module: str, *words: str) -> bytes:
        line = [sys.executable, "-m", f"geartrain.cli.{module}", "-S", "-h", host, "-p", port, *words]
        return subprocess.run(line, check=True, capture_output=True, env=environment, timeout=PATIENCE).stdout

    run("gearman", "-f", "f", "-b", "work")
    assert run("gearadmin", "--status") == b"f\t1\t0\t0\n.\n"
    assert run("gearman", "-w", "-f", "f", "-c", "1") == b"work"
