# SPDX-License-Identifier: MIT
"""Workers, clients and the commands show a token to a server that asks for one, on each connection."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain import AsyncAssignedJob, Client, Worker
from geartrain.cli.servers import client_token
from geartrain.errors import LocalProtocolError
from geartrain.server import access_rules
from geartrain.testing import run_server
from geartrain.worker import WorkerOptions
from tests.worker.shells import PATIENCE, ShelledWorker, working

KNOWN, OTHER = "tlhIngan-Hol-vIjatlh", "nuqneH-nuqneH-nuqneH"

RULES = [
    {"token": KNOWN, "functions": "f", "may": ["submit", "work"]},
    {"token": OTHER, "functions": "f", "may": ["submit"]},
]


@pytest.fixture
def guarded() -> Iterator[str]:
    with run_server(access=access_rules(RULES)) as server:
        yield server.address


def echoing(shell: str, server: str) -> ShelledWorker:
    """Return a worker that knows a token, and answers ``f`` with what it is given."""
    worker = ShelledWorker(shell, server, token=KNOWN)

    @worker.function
    async def f(job: AsyncAssignedJob) -> bytes:
        return job.workload

    return worker


def test_a_worker_with_one_is_given_jobs(shell: str, guarded: str) -> None:
    with working(echoing(shell, guarded)), Client(guarded, token=OTHER) as client:
        assert client.do("f", b"x", timeout=PATIENCE) == b"x"


def test_a_worker_without_logs_it(guarded: str, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(guarded)
    worker.add_function("f", lambda job: b"")

    worker.run(burst=True)

    assert "ERROR NOT_ALLOWED: This connection may not work on f" in caplog.text


def test_a_worker_with_a_wrong_one_logs_it(guarded: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    worker = Worker(guarded, token="x" * 16)
    worker.add_function("f", lambda job: b"")

    worker.run(burst=True)

    assert "ERROR WRONG_TOKEN" in caplog.text
    assert "x" * 16 not in caplog.text + repr(worker)


def test_a_server_without_tokens_does_not_need_one(shell: str, server: str) -> None:
    with working(echoing(shell, server)), Client(server, token=KNOWN) as client:
        assert client.do("f", b"x", timeout=PATIENCE) == b"x"
        assert client.ping() < PATIENCE


def test_the_jobs_of_a_worker_call_others_with_it(guarded: str) -> None:
    worker = Worker(guarded, token=KNOWN)

    @worker.function
    def f(number: int) -> int:
        return number + 1

    with Client(guarded, token=OTHER) as client:
        handle = client.submit("f", '{"number": 1}')
        worker.run(burst=True)
        assert handle.result(PATIENCE) == b"2"
        again = f.submit(2)
        worker.run(burst=True)
        assert again.result(PATIENCE) == 3


def test_nothing_shows_it() -> None:
    options = WorkerOptions(concurrency=1, token=KNOWN)

    assert KNOWN not in repr(options) + repr(Worker("localhost", token=KNOWN))


@pytest.mark.parametrize("token", ["short", "with a space inside", "x" * 513])
def test_one_that_cannot_travel_is_refused_without_being_shown(token: str) -> None:
    for make in (Worker, Client):
        with pytest.raises(LocalProtocolError, match="a token is 16 to 512") as caught:
            make("localhost", token=token)
        assert token not in str(caught.value)


class TestCommands:
    def run(self, module: str, server: str, *words: str, token: str = "") -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", f"geartrain.cli.{module}", "--server", server, *words]
        environment = {**os.environ, "GEARMAN_TOKEN": token}
        return subprocess.run(line, check=False, capture_output=True, text=True, env=environment, timeout=PATIENCE)

    def test_they_take_it_from_a_file_or_the_environment(self, guarded: str, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(f"# newest first\n{KNOWN}\n{OTHER}\n")

        assert self.run("gearman", guarded, "-f", "f", "-b", "work", token=OTHER).returncode == 0
        done = self.run("gearman", guarded, f"--token-file={file}", "-w", "-f", "f", "-c", "1", token="x" * 16)
        assert (done.returncode, done.stdout) == (0, "work")
        assert self.run("gearadmin", guarded, "--status", f"--token-file={file}").stdout == "f\t0\t0\t0\n.\n"

    def test_they_say_what_is_wrong(self, guarded: str) -> None:
        without = self.run("gearman", guarded, "-f", "f", "-b", "work")
        assert without.returncode == 2
        assert "NOT_ALLOWED: This connection may not submit jobs of f" in without.stderr
        wrong = self.run("gearman", guarded, "-f", "f", "-b", "work", token="x" * 16)
        assert wrong.returncode == 2
        assert f"{guarded} does not accept our token: WRONG_TOKEN" in wrong.stderr
        admin = self.run("gearadmin", guarded, "--status", token="x" * 16)
        assert admin.returncode == 1
        assert "WRONG_TOKEN" in admin.stderr
        bad = self.run("gearman", guarded, "-f", "f", "-b", "work", token=KNOWN[:5])
        assert bad.returncode == 1
        assert "a token is 16 to 512 printable ASCII characters" in bad.stderr

    def test_a_file_wins_over_the_environment_and_has_to_hold_one(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text(f"# newest first\n{KNOWN}\n{OTHER}\n")
        empty = tmp_path / "empty"
        empty.write_text("# nothing\n")

        assert client_token(str(file), {"GEARMAN_TOKEN": OTHER}) == KNOWN
        assert client_token(None, {"GEARMAN_TOKEN": OTHER}) == OTHER
        assert client_token(None, {"GEARMAN_TOKEN": ""}) is None
        with pytest.raises(ValueError, match="empty: there is no token in this file"):
            client_token(str(empty), {})
        with pytest.raises(OSError, match="No such file"):
            client_token("/missing", {})
        with pytest.raises(LocalProtocolError, match="this one has 5"):
            client_token(None, {"GEARMAN_TOKEN": KNOWN[:5]})
