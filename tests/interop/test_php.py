# SPDX-License-Identifier: MIT
"""PHP's extension, which uses libgearman: workers and clients as in its manual."""

import json
from pathlib import Path

import pytest

from geartrain import AdminClient, Client, Data, JobException, JobFailed, Progress, Warn, as_completed
from geartrain.testing import ServerProcess
from tests.interop.conftest import AnyServer
from tests.interop.programs import TIMEOUT, Program, php, run
from tests.interop.workers import our_worker

pytestmark = pytest.mark.interop


def test_the_reverse_client_with_the_reverse_worker(server: AnyServer) -> None:
    with Program(php("reverse_worker.php"), server.address) as worker:
        result = run(php("reverse_client.php"), server.address, "Hello!", "x")

        assert result.stdout.decode().splitlines() == ["Success: !olleH", "Success: x"]
        assert (result.returncode, result.stderr) == (0, b"")
        assert worker.wait_for_line("Received job: ").startswith("Received job: H:")


def test_our_client_with_the_reverse_worker(server: AnyServer) -> None:
    with Program(php("reverse_worker.php"), server.address), Client(server.address) as client:
        job = client.submit("reverse", "abc")

        assert list(job) == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]
        assert job.result(TIMEOUT) == b"cba"


def test_mails_are_sent_in_the_background_and_the_client_sees_their_progress(server: AnyServer, tmp_path: Path) -> None:
    mailbox = tmp_path / "mailbox"
    addresses = ["ann@example.org", "bob@example.org", "cem@example.org"]
    with (
        Program(php("send_email_worker.php"), server.address, str(mailbox)) as worker,
        Program(php("send_email_client.php"), server.address, *addresses) as client,
    ):
        for number in range(4):
            client.wait_for_line(f"Running: {number}/3")
            assert (mailbox.read_text().count("Subject: Hello") if mailbox.exists() else 0) == number
            worker.write("\n")

        assert client.wait() == 0
        assert client.lines[0].startswith("Job: H:")
        assert client.lines[1:] == ["Running: 0/3", "Running: 1/3", "Running: 2/3", "Running: 3/3", "Done"]
        worker.wait_for_line("Mail sent")
    assert [line[4:] for line in mailbox.read_text().splitlines() if line.startswith("To: ")] == addresses
    assert "Grüße!" in mailbox.read_text()


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        ("echo", [["complete", "work"]]),
        ("nothing", [["complete", ""]]),
        ("fail", [["fail", None]]),
        ("raise", [["exception", "out of work"]]),
        (
            "talk",
            [
                ["status", [1, 4]],
                ["data", "da\0ta"],
                ["warning", "careful"],
                ["data", {"hex": "ff00"}],
                ["complete", "work"],
            ],
        ),
    ],
)
def test_a_client_gets_all_events_of_a_job(server: AnyServer, function: str, shown: list[object]) -> None:
    with Program(php("odd_worker.php"), server.address):
        result = run(php("odd_client.php"), server.address, function, "work")

    assert [json.loads(line) for line in result.stdout.splitlines()] == [*shown, ["runTasks", True]]
    assert (result.returncode, result.stderr) == (0, b"")


def test_our_client_gets_all_events_of_a_job(server: AnyServer) -> None:
    with Program(php("odd_worker.php"), server.address), Client(server.address) as client:
        talk = client.submit("talk", "work")
        assert list(talk) == [Progress(1, 4), Data(b"da\0ta"), Warn(b"careful"), Data(b"\xff\0")]
        assert talk.result(TIMEOUT) == b"work"
        with pytest.raises(JobException, match="out of work"):
            client.do("raise", "work")
        with pytest.raises(JobFailed):
            client.do("fail", "work")
        assert client.do("unique", "work", unique="some key") == b"some key"
        assert client.do("nothing") == b""


def test_a_worker_runs_the_next_job_after_any_outcome(ours: ServerProcess) -> None:
    """After an exception the next packet must be the answer to the next grab, and no ERROR before it."""
    with Program(php("odd_worker.php"), ours.address) as worker, Client(ours.address) as client:
        for _ in range(3):
            jobs = [client.submit(function, "x") for function in ("raise", "fail", "talk", "nothing", "raise")]
            assert len(list(as_completed(jobs, TIMEOUT))) == len(jobs)
        assert client.do("echo", "still here", timeout=TIMEOUT) == b"still here"
    assert not [line for line in worker.lines if "error" in line]


def test_a_job_that_takes_longer_than_its_timeout_runs_once_and_its_late_result_counts(ours: ServerProcess) -> None:
    """Debian's server runs it again for ever, as with GearmanManager and ``timeout=1``, and drops each result."""
    with (
        Program(php("slow_worker.php"), ours.address) as worker,
        Client(ours.address) as client,
        AdminClient(ours.address) as admin,
    ):
        job = client.submit("slow", "one")
        worker.wait_for_line("run 1 of one")
        while [(row.total, row.running) for row in admin.status()] != [(1, 0)]:
            pass  # until the server has taken the job away from the worker
        worker.write("\n")
        assert job.result(TIMEOUT) == b"run 1"

        following = client.submit("slow", "two")
        worker.wait_for_line("run 2 of two")
        worker.write("\n")
        assert following.result(TIMEOUT) == b"run 2"
    assert worker.lines == ["run 1 of one", "run 2 of two"]


def test_tasks_run_in_parallel_and_get_their_own_results(server: AnyServer) -> None:
    with (
        Program(php("odd_worker.php"), server.address),
        Program(php("odd_worker.php"), server.address),
        Program(php("odd_worker.php"), server.address),
    ):
        result = run(php("tasks_client.php"), server.address, "echo", "300")

    expected = ["300 created, 0 failed", *(f"{number}: workload {number}" for number in range(300))]
    assert result.stdout.decode().splitlines() == expected


def test_uniques_reach_our_worker(server: AnyServer) -> None:
    with our_worker(server.address):
        result = run(php("tasks_client.php"), server.address, "unique", "3")

    assert result.stdout.decode().splitlines() == ["3 created, 0 failed", *(f"{n}: unique {n}" for n in range(3))]


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_huge_binary_payloads_pass_in_both_directions(server: AnyServer, whose: str) -> None:
    """With Debian's server libgearman moves 2 MB per second over loopback, so that server gets less data."""
    size = 16 << 20 if isinstance(server, ServerProcess) else 1 << 18
    with Program(php("odd_worker.php"), server.address) if whose == "theirs" else our_worker(server.address):
        result = run(php("big_client.php"), server.address, str(size))

    assert result.stdout.decode().splitlines() == ["arrived", "came back", "zeros"]


def test_status_and_echo(server: AnyServer) -> None:
    result = run(php("questions_client.php"), server.address)

    assert result.stdout.decode().splitlines() == [
        "bool(true)",
        "[true,false]",
        "[true,false,0,0]",
        "[false,false,0,0]",
        "[true,false,0,0]",
        "[false,false,0,0]",
    ]


def test_high_priority_jobs_run_first(server: AnyServer) -> None:
    run(php("priorities_client.php"), server.address)
    with Program(php("odd_worker.php"), server.address, "6") as worker:
        assert worker.wait() == 0

        assert worker.lines == [f"print: {name}{n}" for name in ("High", "Normal", "Low") for n in (1, 2)]
