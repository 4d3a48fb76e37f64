# SPDX-License-Identifier: MIT
"""Perl's Gearman::Client and Gearman::Worker, the eldest of all."""

from contextlib import ExitStack

import pytest

from geartrain import Client, Data, JobException, JobFailed, JobRequest, Progress, Warn
from geartrain.testing import ServerProcess
from tests.interop.conftest import AnyServer
from tests.interop.programs import PATIENCE, Program, perl, run
from tests.interop.workers import our_worker

pytestmark = pytest.mark.interop


def ask(server: AnyServer, *words: str, prefix: str = "") -> list[str]:
    """Return the lines that a Perl client prints."""
    result = run(perl("client.pl"), server.address, prefix, *words)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode(errors="replace").splitlines()


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        ("reverse", ["complete: krow"]),
        ("talk", ["status: 1/4", "data: da\\0ta", "warning: careful", "complete: work"]),
        ("fail", ["fail: jshandle fail"]),
    ],
)
def test_all_that_becomes_of_a_job_is_seen(server: AnyServer, function: str, shown: list[str]) -> None:
    with Program(perl("worker.pl"), server.address):
        assert ask(server, "show", function, "work") == shown


def test_a_job_that_failed_is_tried_again(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address):
        shown = ask(server, "show", "fail", "work", "retry_count", "2")

    assert shown == ["retry: 1", "retry: 2", "fail: jshandle fail"]


def test_a_worker_survives_its_exceptions(ours: ServerProcess) -> None:
    """It says WORK_EXCEPTION and then WORK_FAIL, and dies of the ERROR that gearmand answers to the second."""
    with Program(perl("worker.pl"), ours.address) as worker, Client(ours.address) as client:
        for _ in range(3):
            assert ask(ours, "show", "raise", "work") == ["exception: out of work"]
        with pytest.raises(JobException):
            client.do("raise", "work")
        assert client.do("leave", timeout=PATIENCE) == b"bye"
        assert worker.wait() == 0

        assert worker.lines == ["ready", *["failed"] * 4, "completed"]


def test_a_result_of_nothing_is_a_result(ours: ServerProcess) -> None:
    """It is sent without the separator behind the handle; gearmand has such a job run again for ever."""
    with Program(perl("worker.pl"), ours.address) as worker, Client(ours.address) as client:
        assert client.do("nothing", timeout=PATIENCE) == b""
        assert client.do("echo", "0", timeout=PATIENCE) == b""  # 0 is nothing to the module
        assert ask(ours, "do", "nothing", "work") == [""]
        client.do("leave")
        assert worker.wait() == 0

        assert worker.lines == ["ready", *["completed"] * 4]


def test_our_client_meets_perls_worker(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address), Client(server.address) as client:
        talk = client.submit("talk", "work")
        assert list(talk) == [Progress(1, 4), Data(b"da\0ta"), Warn(b"careful")]
        assert talk.result(PATIENCE) == b"work"
        with pytest.raises(JobFailed):
            client.do("fail", "work")
        assert client.do("quick", bytes(range(256))) == bytes(range(256))
        assert list(client.map("reverse", ["ab", "cd", "ef"])) == [b"ba", b"dc", b"fe"]


def test_perls_client_meets_our_worker(server: AnyServer) -> None:
    with our_worker(server.address):
        assert ask(server, "do", "reverse", "abc") == ["cba"]
        assert ask(server, "show", "talk", "x") == [
            "status: 1/4",
            "data: da\\0ta",
            "warning: careful",
            "data: \N{REPLACEMENT CHARACTER}\\0",
            "complete: ",
        ]
        assert ask(server, "show", "fail", "x") == ["fail: jshandle fail"]


def test_tasks_of_all_priorities_run_together_and_keep_their_uniques(server: AnyServer) -> None:
    with our_worker(server.address):
        assert ask(server, "tasks", "unique", "30") == [f"{number}: unique {number}" for number in range(30)]
    with Program(perl("worker.pl"), server.address):
        assert ask(server, "tasks", "echo", "30") == [f"{number}: workload {number}" for number in range(30)]


def test_the_urgent_is_done_first(server: AnyServer) -> None:
    ask(server, "priorities", "print")
    with Program(perl("worker.pl"), server.address) as worker, Client(server.address) as client:
        worker.wait_for_line("low2")
        client.do("leave")
        assert worker.wait() == 0

        printed = [line.removeprefix("print: ") for line in worker.lines if line.startswith("print: ")]
        assert printed == ["high1", "high2", "normal1", "normal2", "low1", "low2"]


def test_a_background_job_is_looked_after(server: AnyServer) -> None:
    with Program(perl("client.pl"), server.address, "", "background", "print", "work") as client:
        assert "//H:" in client.wait_for_line("handle: ")
        client.write("\n")
        client.wait_for_line("status: 1 0 0 0")

        with Program(perl("worker.pl"), server.address) as worker:
            worker.wait_for_line("print: work")
            with Client(server.address) as other:  # once this is answered the one before has ended
                other.do("echo", "x", timeout=PATIENCE)
        client.write("\n")
        client.wait_for_line("status: 0 0 0 0")


def test_a_prefix_keeps_others_away(server: AnyServer) -> None:
    """Perl puts a tab between a prefix and the name."""
    with Program(perl("worker.pl"), server.address, "shop"):
        assert ask(server, "do", "reverse", "abc", prefix="shop") == ["cba"]
        with Client(server.address, prefix="shop\t") as client:
            assert client.do("reverse", "xyz") == b"zyx"
    with our_worker(server.address, prefix="shop\t"):
        assert ask(server, "do", "reverse", "abc", prefix="shop") == ["cba"]


def test_huge_binary_payloads_go_both_ways(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address), Client(server.address) as client:
        assert ask(server, "big", str(16 << 20)) == ["came back"]
        huge = bytes(range(256)) * (16 << 12)
        assert client.do("echo", huge, timeout=PATIENCE) == huge
    with our_worker(server.address):
        assert ask(server, "big", str(16 << 20)) == ["came back"]


def test_the_table_of_functions_is_read(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address) as worker, Client(server.address) as client:
        client.do("echo", "x")
        worker.wait_for_line("completed")
        rows = ask(server, "functions")

    assert "reverse 0 0 1" in rows
    assert len(rows) == 10


@pytest.mark.parametrize("number_of_servers", [1, 2, 3])
def test_equal_uniques_meet_at_the_server_that_perl_chooses(number_of_servers: int) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(ServerProcess()) for _ in range(number_of_servers)]
        addresses = [server.address for server in servers]
        chosen = run(perl("client.pl"), ",".join(addresses), "", "places", "f", "100").stdout.decode().split()
        with Client(addresses, placement="perl") as client:
            handles = client.submit_background_many(
                [JobRequest("f", unique=f"unique {number}") for number in range(100)]
                + [JobRequest("f", "workload 100", unique="-")]
            )

        assert [handle.server for handle in handles] == chosen
        assert set(chosen) == set(addresses)
