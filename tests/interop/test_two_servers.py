# SPDX-License-Identifier: MIT
"""Failover between two of our servers, of which one is killed."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain.testing import ServerProcess
from tests.interop.programs import OUR_TOOL, THEIR_TOOL, Program, perl, php, run

pytestmark = pytest.mark.interop


@pytest.fixture
def first() -> Iterator[ServerProcess]:
    with ServerProcess() as server:
        yield server


@pytest.fixture
def second() -> Iterator[ServerProcess]:
    with ServerProcess() as server:
        yield server


def kill(server: ServerProcess) -> None:
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.parametrize("client", [OUR_TOOL, THEIR_TOOL], ids=["client ours", "client theirs"])
@pytest.mark.parametrize("worker", [OUR_TOOL, THEIR_TOOL], ids=["worker ours", "worker theirs"])
def test_tools_use_the_other_server(
    first: ServerProcess, second: ServerProcess, client: list[str], worker: list[str]
) -> None:
    both = {"GEARMAN_SERVER": f"{first.address},{second.address}"}
    with Program(worker, "-w", "-f", "rev", "--", "rev", environment=both):
        assert run(client, "-f", "rev", "abc\n", environment=both).stdout == b"cba\n"
        kill(second)  # the last one is tried first
        for _ in range(3):
            assert run(client, "-f", "rev", "abc\n", environment=both).stdout == b"cba\n"


@pytest.mark.parametrize("worker", [OUR_TOOL, THEIR_TOOL], ids=["worker ours", "worker theirs"])
def test_a_worker_whose_server_is_killed_during_a_job_runs_the_next_one(
    first: ServerProcess, second: ServerProcess, worker: list[str], tmp_path: Path
) -> None:
    """The result is lost, the client gets an error, and the next one uses the other server."""
    both = {"GEARMAN_SERVER": f"{first.address},{second.address}"}
    gate = tmp_path / "gate"
    wait = f"while [ -d {gate} ] && kill -0 $PPID; do sleep 0.01; done"
    script = f"cat; if mkdir {gate} 2>/dev/null; then echo working >&2; {wait}; fi"
    with (
        Program(worker, "-w", "-f", "f", "--", "sh", "-c", script, environment=both) as program,
        Program(OUR_TOOL, "-f", "f", "first", environment=both) as client,
    ):
        program.wait_for_line("working")
        kill(second)
        assert client.wait() == 2
        gate.rmdir()
        gate.write_text("open")

        result = run(OUR_TOOL, "-f", "f", "again", environment=both)
        assert (result.returncode, result.stdout) == (0, b"again")


def test_php_uses_the_other_server(first: ServerProcess, second: ServerProcess) -> None:
    """Its client is started after the kill: with two servers of any kind, it sometimes misses the result."""
    both = f"{first.address},{second.address}"
    with Program(php("reverse_worker.php"), both) as worker:
        for _ in range(3):
            result = run(OUR_TOOL, "-f", "reverse", "abc", environment={"GEARMAN_SERVER": both})
            assert result.stdout.endswith(b"cba")
        kill(second)
        for _ in range(3):
            assert run(php("reverse_client.php"), both, "abc").stdout == b"Success: cba\n"
        assert worker.process.poll() is None


def test_perl_uses_the_other_server(first: ServerProcess, second: ServerProcess) -> None:
    both = f"{first.address},{second.address}"
    with Program(perl("worker.pl"), both):
        for _ in range(3):
            assert run(perl("client.pl"), both, "", "do", "reverse", "abc").stdout == b"cba\n"
        kill(second)
        for _ in range(3):  # it chooses one at random, and the other one if that fails
            assert run(perl("client.pl"), both, "", "do", "reverse", "abc").stdout == b"cba\n"
