# SPDX-License-Identifier: MIT
"""Debian's gearman and gearadmin with our server, and together with our tools.

The tests in ``tests/cli`` compare the output of the two gearmans and of the two gearadmins; here they work together.
"""

import re
import socket
from pathlib import Path

import pytest

from geartrain import Client, Data, Priority, Worker
from geartrain.protocol import Command, request
from geartrain.protocol.packets import RESPONSE
from geartrain.testing import ServerProcess
from tests.interop.conftest import AnyServer
from tests.interop.programs import OUR_TOOL, THEIR_ADMIN, THEIR_TOOL, TIMEOUT, Program, Result, run
from tests.interop.workers import our_worker
from tests.packets import Packets

pytestmark = pytest.mark.interop

KINDS = {"ours": OUR_TOOL, "theirs": THEIR_TOOL}
either_worker = pytest.mark.parametrize("worker", KINDS.values(), ids=[f"worker {kind}" for kind in KINDS])
either_client = pytest.mark.parametrize("client", KINDS.values(), ids=[f"client {kind}" for kind in KINDS])


def at(server: AnyServer, *words: str) -> list[str]:
    return ["-h", "127.0.0.1", "-p", str(server.port), *words]


def tool(server: AnyServer, *words: str, stdin: bytes = b"") -> Result:
    return run(THEIR_TOOL, *at(server, *words), stdin=stdin)


def admin(server: AnyServer, *words: str) -> str:
    result = run(THEIR_ADMIN, *at(server, *words))
    assert result.returncode == 0
    return (result.stdout + result.stderr).decode()


@either_worker
@either_client
def test_lines_are_counted(server: AnyServer, client: list[str], worker: list[str]) -> None:
    """This is the usual first example."""
    passwd = Path("/etc/passwd").read_bytes()
    with Program(worker, *at(server, "-w", "-f", "wc", "--", "wc", "-l")):
        result = run(client, *at(server, "-f", "wc"), stdin=passwd)

    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, b"%d" % passwd.count(b"\n"), b"")


@either_worker
@either_client
def test_every_mode_of_a_client(ours: ServerProcess, client: list[str], worker: list[str]) -> None:
    def ask(*words: str, stdin: bytes = b"") -> tuple[int, bytes]:
        result = run(client, *at(ours, *words), stdin=stdin)
        return result.returncode, result.stdout

    with (
        Program(worker, *at(ours, "-w", "-f", "cat", "-f", "dog", "--", "cat")),
        Program(worker, *at(ours, "-w", "-f", "false", "--", "sh", "-c", "cat; exit 3")),
    ):
        assert ask("-f", "cat", "a", "b") == (0, b"ab")
        assert ask("-f", "cat", "-n", stdin=b"1\n2\n3\n") == (0, b"1\n2\n3\n")
        assert ask("-f", "cat", "-N", stdin=b"1\n2\n3\n") == (0, b"123")
        assert ask("-f", "cat", "-P", "a") == (0, b"cat: a")
        assert ask("-f", "cat", "-s") == (0, b"")
        assert ask("-f", "cat", "-I", "-u", "key", "high") == (0, b"high")
        assert ask("-f", "cat", "-L", "-u", "#", "low") == (0, b"low")
        assert ask("-f", "cat", "-u", "-", "by workload") == (0, b"by workload")
        assert ask("-f", "cat", "-b", "x") == (0, b"")
        assert ask("-f", "false", "x") == (1, b"x")
        assert ask("-f", "false", "-b", "x") == (0, b"")
        assert ask("-f", "cat", stdin=bytes(range(256))) == (0, bytes(range(256)))
        code, out = ask("-f", "cat", "-f", "dog", "-P", "x")
        assert (code, sorted(out)) == (0, sorted(b"cat: xdog: x"))
        code, out = ask("-f", "cat", "-v", "x")
        assert (code, len(re.findall(rb"Task created: H:\S+:\d+\n", out))) == (0, 1)


@either_worker
@either_client
def test_large_payloads_pass(ours: ServerProcess, client: list[str], worker: list[str]) -> None:
    """The payloads are not huge: for each 1000 bytes, Debian's tool copies all that it has read.

    Its worker writes all of the workload to the command before it reads, so that cat would block it.
    """
    lines = [b"%d\n" % number for number in range(200_000)]
    with Program(worker, *at(ours, "-w", "-f", "tac", "--", "tac")):
        result = run(client, *at(ours, "-f", "tac"), stdin=b"".join(lines))

    assert result.returncode == 0
    assert result.stdout == b"".join(reversed(lines))


@either_worker
@either_client
def test_high_priority_jobs_run_first(server: AnyServer, client: list[str], worker: list[str]) -> None:
    for priority in ("-L", "-P", "-I"):  # -P has no effect in the background
        for number in "12":
            run(client, *at(server, "-f", "f", "-b", priority, priority[1] + number + "\n"))

    result = run(worker, *at(server, "-w", "-f", "f", "-c", "6"))

    assert result.stdout.split() == [b"I1", b"I2", b"P1", b"P2", b"L1", b"L2"]


@either_client
def test_equal_uniques_are_one_job(server: AnyServer, client: list[str]) -> None:
    """The uniques # and - are derived from the workload, and the clients agree on the number."""
    for unique, word in [
        ("key", "a"),
        ("key", "b"),
        ("#", "hello world"),
        ("#", "hello world"),
        ("-", "c"),
        ("-", "c"),
    ]:
        for each in (client, THEIR_TOOL):
            run(each, *at(server, "-f", "f", "-b", "-u", unique, word))

    assert "f\t3\t0\t0\n" in admin(server, "--status")
    uniques = admin(server, "--show-unique-jobs")
    assert "key\n" in uniques
    assert "2727477341\n" in uniques


def test_repeated_data_is_forwarded_unchanged(ours: ServerProcess) -> None:
    """Debian's worker repeats all earlier lines in each packet."""
    with Program(THEIR_TOOL, *at(ours, "-w", "-f", "f", "-n", "--", "cat")), Client(ours.address) as client:
        job = client.submit("f", b"a\nb\n")

        assert list(job) == [Data(b"a\n"), Data(b"a\nb\n")]
        assert job.result(TIMEOUT) == b""


def test_an_exception_is_a_failure_for_clients_without_the_option(ours: ServerProcess) -> None:
    """The tool ignores a WORK_FAIL with a separator, which gearmand sends for an exception, and waits for ever."""
    with our_worker(ours.address):
        result = tool(ours, "-f", "throw", "x")

    assert (result.returncode, result.stdout, result.stderr) == (1, b"", b"Job failed\n")


def test_timeouts(ours: ServerProcess) -> None:
    assert b"GEARMAN_TIMEOUT" in tool(ours, "-f", "unserved", "-t", "10", "x").stderr
    assert tool(ours, "-w", "-f", "unserved", "-t", "10", "-c", "2").returncode == 0
    assert admin(ours, "--status").splitlines() == ["unserved\t0\t0\t0", "."]  # the job ended with its client


def test_every_command_of_gearadmin(ours: ServerProcess) -> None:
    assert admin(ours, "--getpid") == f"{ours.process.pid}\n"
    assert re.fullmatch(r"\d+\.\S+\n", admin(ours, "--server-version"))
    assert admin(ours, "--server-verbose") == "ERROR\n"
    assert admin(ours, "--create-function", "empty") == "OK\n"
    with Client(ours.address) as client:
        handles = [client.submit_background("f", f"{n}\n", unique=f"u{n}", priority=p) for n, p in enumerate(Priority)]
    assert sorted(admin(ours, "--status").splitlines()) == [".", "empty\t0\t0\t0", "f\t3\t0\t0"]
    assert "f\t1\t1\t1\t0\n" in admin(ours, "--priority-status")
    assert admin(ours, "--show-jobs").splitlines() == [*(f"{handle}\t0\t0\t0" for handle in handles), "."]
    assert sorted(admin(ours, "--show-unique-jobs").splitlines()) == [".", "u0", "u1", "u2"]
    assert admin(ours, "--cancel-job", str(handles[1])) == "OK\n"
    assert admin(ours, "--cancel-job", str(handles[1])).strip() == "Error: UNKNOWN_JOB"
    assert len(admin(ours, "--show-jobs").splitlines()) == 3
    assert admin(ours, "--drop-function", "empty") == "OK\n"
    assert admin(ours, "--drop-function", "empty").strip() == "Error: function not found"
    with Program(THEIR_TOOL, *at(ours, "-w", "-f", "f")) as worker:
        worker.wait_for_line("2")
        assert re.search(r"^\d+ 127\.0\.0\.1 - : f$", admin(ours, "--workers"), re.MULTILINE)
        assert admin(ours, "--drop-function", "f").startswith("Error: there are still connected workers")


def test_a_reduce_job_is_split_and_joined_by_debians_worker(server: AnyServer) -> None:
    """A job assigned by GRAB_JOB_ALL has a reducer; libgearman sends the job's data there, and completes it."""
    reduced: list[bytes] = []
    reducer = Worker(server.address)
    reducer.add_function("reduce", lambda job: reduced.append(job.workload))
    with (
        Program(THEIR_TOOL, *at(server, "-w", "-f", "split", "-n", "--", "cat")),
        Program(THEIR_TOOL, *at(server, "-w", "-f", "reduce")) as printer,
        socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as client,
    ):
        client.sendall(request(Command.SUBMIT_REDUCE_JOB, b"split", b"", b"reduce", b"", b"one\n"))
        parser = Packets(RESPONSE, 1 << 20)
        commands: list[int] = []
        while not commands or commands[-1] not in (Command.WORK_COMPLETE, Command.WORK_FAIL):
            data = client.recv(65536)
            assert data
            commands += [command for command, _ in parser.receive(data)]

        assert commands == [Command.JOB_CREATED, Command.WORK_COMPLETE]
        printer.wait_for_line("one")
