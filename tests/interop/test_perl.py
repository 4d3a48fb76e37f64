# SPDX-License-Identifier: MIT
"""Perl's Gearman::Client and Gearman::Worker, the oldest implementation."""

from contextlib import ExitStack

import pytest

from geartrain import Client, Data, JobException, JobFailed, JobRequest, Progress, Warn
from geartrain.testing import ServerProcess
from tests.interop.conftest import AnyServer
from tests.interop.programs import TIMEOUT, Program, perl, run
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
def test_a_client_gets_all_events_of_a_job(server: AnyServer, function: str, shown: list[str]) -> None:
    with Program(perl("worker.pl"), server.address):
        assert ask(server, "show", function, "work") == shown


def test_a_failed_job_is_retried(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address):
        shown = ask(server, "show", "fail", "work", "retry_count", "2")

    assert shown == ["retry: 1", "retry: 2", "fail: jshandle fail"]


def test_a_worker_survives_its_exceptions(ours: ServerProcess) -> None:
    """It sends WORK_EXCEPTION and then WORK_FAIL, and ends when gearmand answers the second with an ERROR."""
    with Program(perl("worker.pl"), ours.address) as worker, Client(ours.address) as client:
        for _ in range(3):
            assert ask(ours, "show", "raise", "work") == ["exception: out of work"]
        with pytest.raises(JobException):
            client.do("raise", "work")
        assert client.do("leave", timeout=TIMEOUT) == b"bye"
        assert worker.wait() == 0

        assert worker.lines == ["ready", *["failed"] * 4, "completed"]


def test_an_empty_result_is_a_result(ours: ServerProcess) -> None:
    """It is sent without the separator after the handle; gearmand runs such a job again for ever."""
    with Program(perl("worker.pl"), ours.address) as worker, Client(ours.address) as client:
        assert client.do("nothing", timeout=TIMEOUT) == b""
        assert client.do("echo", "0", timeout=TIMEOUT) == b""  # the module takes 0 for an empty result
        assert ask(ours, "do", "nothing", "work") == [""]
        client.do("leave")
        assert worker.wait() == 0

        assert worker.lines == ["ready", *["completed"] * 4]


def test_our_client_with_perls_worker(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address), Client(server.address) as client:
        talk = client.submit("talk", "work")
        assert list(talk) == [Progress(1, 4), Data(b"da\0ta"), Warn(b"careful")]
        assert talk.result(TIMEOUT) == b"work"
        with pytest.raises(JobFailed):
            client.do("fail", "work")
        assert client.do("quick", bytes(range(256))) == bytes(range(256))
        assert list(client.map("reverse", ["ab", "cd", "ef"])) == [b"ba", b"dc", b"fe"]


def test_perls_client_with_our_worker(server: AnyServer) -> None:
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


def test_high_priority_jobs_run_first(server: AnyServer) -> None:
    ask(server, "priorities", "print")
    with Program(perl("worker.pl"), server.address) as worker, Client(server.address) as client:
        worker.wait_for_line("low2")
        client.do("leave")
        assert worker.wait() == 0

        printed = [line.removeprefix("print: ") for line in worker.lines if line.startswith("print: ")]
        assert printed == ["high1", "high2", "normal1", "normal2", "low1", "low2"]


def test_the_status_of_a_background_job(server: AnyServer) -> None:
    with Program(perl("client.pl"), server.address, "", "background", "print", "work") as client:
        assert "//H:" in client.wait_for_line("handle: ")
        client.write("\n")
        client.wait_for_line("status: 1 0 0 0")

        with Program(perl("worker.pl"), server.address) as worker:
            worker.wait_for_line("print: work")
            with Client(server.address) as other:  # once this job has ended, the one before has ended as well
                other.do("echo", "x", timeout=TIMEOUT)
        client.write("\n")
        client.wait_for_line("status: 0 0 0 0")


def test_a_prefix_separates_functions(server: AnyServer) -> None:
    """Perl puts a tab between a prefix and the name."""
    with Program(perl("worker.pl"), server.address, "shop"):
        assert ask(server, "do", "reverse", "abc", prefix="shop") == ["cba"]
        with Client(server.address, prefix="shop\t") as client:
            assert client.do("reverse", "xyz") == b"zyx"
    with our_worker(server.address, prefix="shop\t"):
        assert ask(server, "do", "reverse", "abc", prefix="shop") == ["cba"]


def test_huge_binary_payloads_pass_in_both_directions(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address), Client(server.address) as client:
        assert ask(server, "big", str(16 << 20)) == ["came back"]
        huge = bytes(range(256)) * (16 << 12)
        assert client.do("echo", huge, timeout=TIMEOUT) == huge
    with our_worker(server.address):
        assert ask(server, "big", str(16 << 20)) == ["came back"]


def test_the_listing_of_functions_is_parsed(server: AnyServer) -> None:
    with Program(perl("worker.pl"), server.address) as worker, Client(server.address) as client:
        client.do("echo", "x")
        worker.wait_for_line("completed")
        rows = ask(server, "functions")

    assert "reverse 0 0 1" in rows
    assert len(rows) == 10


@pytest.mark.parametrize("number_of_servers", [1, 2, 3])
def test_equal_uniques_go_to_the_server_that_perl_chooses(number_of_servers: int) -> None:
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
