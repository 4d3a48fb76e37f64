# SPDX-License-Identifier: MIT
"""gearman compared with the C tool: equal behaviour, and intended differences."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain import AssignedJob, Client, Data, Fail, JobFailed, Warn, Worker, __version__
from geartrain.cli import gearman_client
from geartrain.cli.gearman_options import read_options
from geartrain.protocol import Command, response
from geartrain.records import JobEvent
from geartrain.server import access_rules
from geartrain.testing import run_server
from tests.commands import GEARMAN, run_command
from tests.job_servers import free_port, needs

THEIRS = "/usr/bin/gearman"
TIMEOUT = 60.0  # seconds; only a failure takes as long

Result = subprocess.CompletedProcess[bytes]


def command(whose: str) -> list[str]:
    return [needs(THEIRS)] if whose == "theirs" else [*GEARMAN]


def run(whose: str, server: str, *words: str, stdin: bytes = b"") -> Result:
    host, _, port = server.rpartition(":")
    line = [*command(whose), "-h", host, "-p", port, *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GEARMAN_")}
    return run_command(line, stdin=stdin, environment=environment, timeout=TIMEOUT)


def talk(job: AssignedJob) -> Iterator[bytes]:
    job.progress(1, 4)
    job.warning("hm\n")
    yield b"part\n"
    yield b"\0\xff"


def fail(job: AssignedJob) -> None:
    job.data(job.workload)
    raise Fail


def boom(job: AssignedJob) -> None:
    raise ValueError("no")


@pytest.fixture
def working(server: str) -> Iterator[str]:
    """A server with a worker."""
    worker = Worker(server)
    worker.add_function("cat", lambda job: job.workload)
    worker.add_function("unique", lambda job: job.unique)
    worker.add_function("nothing", lambda job: None)
    worker.add_function("nought", lambda job: job.progress(1, 0))
    for function in (talk, fail, boom):
        worker.add_function(function.__name__, function)
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield server
    worker.stop()
    thread.join(TIMEOUT)


class TestAnEqualClient:
    @pytest.mark.parametrize(
        ("words", "stdin"),
        [
            (["-f", "cat", "hello", "world"], b"not read"),
            (["-f", "cat"], b"from\0stdin\n"),
            (["-f", "cat"], b""),
            (["-f", "cat", "-s"], b"not read"),
            (["-f", "cat", "-n"], b"1\n2\n3"),
            (["-f", "cat", "-N"], b"1\n2\n3\n"),
            (["-f", "cat", "-P", "a", "b"], b""),
            (["-f", "cat", "-P", "-n"], b"1\n2\n"),
            (["-f", "cat", "-f", "cat", "-P", "x"], b""),
            (["-f", "nothing", "-P", "x"], b""),
            (["-f", "cat", "-b", "x"], b""),
            (["-f", "cat", "-I", "x"], b""),
            (["-f", "cat", "-L", "x"], b""),
            (["-f", "cat", "x", "-P", "--", "-n"], b""),
            (["-f", "unique", "-u", "key", "x"], b""),
            (["-f", "unique", "-u", "#", "hello world"], b""),
            (["-f", "fail", "x"], b""),
            (["-f", "fail", "-P", "x", "y"], b""),
            (["-f", "cat", "-f", "fail", "x"], b""),
        ],
    )
    def test_output_and_status_are_the_same(self, working: str, words: list[str], stdin: bytes) -> None:
        expected = run("theirs", working, *words, stdin=stdin)
        result = run("ours", working, *words, stdin=stdin)

        assert result.stdout == expected.stdout
        assert (result.returncode, result.stderr) == (expected.returncode, expected.stderr)

    def test_partial_results_are_the_same_except_for_their_order(self, working: str) -> None:
        """The C tool writes its lines of text through a separate buffer."""
        expected = run("theirs", working, "-f", "talk", "-P", "x")
        result = run("ours", working, "-f", "talk", "-P", "x")

        assert result.stdout == b"talk: 25% Complete\ntalk: part\ntalk: \0\xfftalk: "
        assert sorted(result.stdout) == sorted(expected.stdout)
        assert (result.returncode, result.stderr) == (expected.returncode, expected.stderr) == (0, b"talk: hm\n")

    @pytest.mark.parametrize("words", [[], ["-f"], ["-f", "x", "-Q"], ["-w"]])
    def test_wrong_usage_is_one_line_on_stderr(self, working: str, words: list[str]) -> None:
        expected = run("theirs", working, *words)
        result = run("ours", working, *words)

        assert (result.returncode, result.stdout) == (expected.returncode, expected.stdout) == (1, b"")
        assert b"\tError in usage(" in expected.stderr.splitlines()[1]
        assert result.stderr.startswith(b"gearman: ")
        assert result.stderr.endswith(b" See gearman --help.\n")
        assert result.stderr.count(b"\n") == 1

    def test_a_pid_file_that_cannot_be_written_is_fatal(self, working: str) -> None:
        words = ["-f", "cat", "-i", "/nonexistent/pid", "x"]

        assert run("theirs", working, *words).returncode == 1
        result = run("ours", working, *words)
        assert result.returncode == 1
        assert b"/nonexistent/pid" in result.stderr

    @pytest.mark.parametrize("whose", ["theirs", "ours"])
    @pytest.mark.parametrize("variable", ["GEARMAN_SERVER", "GEARMAN_SERVERS"])
    def test_servers_come_from_the_environment(self, working: str, variable: str, whose: str) -> None:
        line = [*command(whose), "-p", str(free_port()), "-f", "cat", "x"]
        result = run_command(line, environment={**os.environ, variable: working}, timeout=TIMEOUT)

        assert (result.returncode, result.stdout) == (0, b"x")


class TestADifferentClient:
    def test_a_handle_is_printed_as_soon_as_it_is_known(self, working: str) -> None:
        created, _, rest = run("ours", working, "-f", "cat", "-v", "x").stdout.partition(b"\n")

        assert created.startswith(b"Task created: H:")
        assert rest == b"x"

    def test_an_exception_is_printed_and_sets_the_exit_status(self, working: str) -> None:
        result = run("ours", working, "-f", "boom", "x")

        assert (result.returncode, result.stderr) == (1, b"ValueError: no\n")

    def test_a_denominator_of_zero_does_not_crash_it(self, working: str) -> None:
        result = run("ours", working, "-f", "nought", "x")

        assert (result.returncode, result.stdout) == (0, b"0% Complete\n")

    def test_a_last_line_without_an_end_keeps_its_last_letter(self, working: str) -> None:
        assert run("theirs", working, "-f", "cat", "-N", stdin=b"12\n34").stdout == b"123"
        assert run("ours", working, "-f", "cat", "-N", stdin=b"12\n34").stdout == b"1234"

    def test_a_long_line_is_one_job(self, working: str) -> None:
        line = b"x" * 20_000 + b"\0" + b"y" * 20_000 + b"\n"

        result = run("ours", working, "-f", "cat", "-n", "--json", stdin=line + b"z\n")

        assert [json.loads(text)["event"] for text in result.stdout.splitlines()] == ["created", "completed"] * 2

    def test_an_empty_word_is_a_job(self, working: str) -> None:
        result = run("ours", working, "-f", "cat", "-v", "")

        assert (result.returncode, result.stdout.count(b"Task created")) == (0, 1)

    def test_json_has_all_events(self, working: str) -> None:
        result = run("ours", working, "-f", "talk", "-f", "boom", "-f", "fail", "--json", "x")

        events = [json.loads(line) for line in result.stdout.splitlines()]
        handles = [event.pop("handle") for event in events if event["event"] == "created"]
        assert result.returncode == 1
        assert len(set(handles)) == 3
        assert [event for event in events if event["function"] == "talk"] == [
            {"function": "talk", "event": "created"},
            {"function": "talk", "event": "progress", "numerator": 1, "denominator": 4},
            {"function": "talk", "event": "warning", "data": "hm\n"},
            {"function": "talk", "event": "data", "data": "part\n"},
            {"function": "talk", "event": "data", "base64": "AP8="},
            {"function": "talk", "event": "completed", "data": ""},
        ]
        assert {"function": "boom", "event": "exception", "data": "ValueError: no"} in events
        assert {"function": "fail", "event": "failed"} in events

    @pytest.mark.parametrize("words", [["-t", "20"], ["-t", "0"], ["--timeout", "0.02"]])
    def test_a_timeout_has_its_own_exit_status(self, server: str, words: list[str]) -> None:
        assert run("theirs", server, "-f", "unserved", "-t", "20", "x").returncode == 0

        result = run("ours", server, "-f", "unserved", *words, "x")
        assert (result.returncode, result.stdout) == (3, b"")
        assert b"in time" in result.stderr

    @pytest.mark.parametrize(
        ("created", "words", "problem"),
        [
            (0, ["x"], "localhost:4730 did not answer in time"),
            (1, ["x"], "localhost:4730 accepted 1 job, but it has not ended in time"),
            (1, ["-f", "g", "x"], "localhost:4730 did not answer in time"),
            (2, ["-f", "g", "x"], "localhost:4730 accepted 2 jobs, but they have not ended in time"),
        ],
    )
    def test_a_job_that_has_not_ended_is_told_from_a_server_that_does_not_answer(
        self,
        created: int,
        words: list[str],
        problem: str,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        sock, peer = socket.socketpair()
        for number in range(created):
            peer.send(response(Command.JOB_CREATED, b"H:%d" % number))
        monkeypatch.setattr(gearman_client, "connect", lambda *_, **__: sock)
        monkeypatch.delenv("GEARMAN_SERVER", raising=False)
        monkeypatch.delenv("GEARMAN_SERVERS", raising=False)

        assert gearman_client.prepare(read_options(["-f", "f", "-t", "1", *words]))() == 3

        peer.close()
        assert capfd.readouterr().err.endswith(f": {problem}\n")

    def test_without_a_server_it_fails_with_a_reason_and_a_hint(self) -> None:
        server = f"127.0.0.1:{free_port()}"

        assert run("theirs", server, "-f", "f", "x").returncode == 0
        result = run("ours", server, "-f", "f", "x")
        assert result.returncode == 2
        assert f"{server}: Connection refused".encode() in result.stderr
        assert b"gearmand" in result.stderr

    def test_results_are_read_while_jobs_are_still_sent(self, working: str) -> None:
        """A server that cannot send the first result accepts no more jobs."""
        worker = Worker(working)
        worker.add_function("more", lambda job: bytes(64 << 20))
        thread = threading.Thread(target=worker.run)
        thread.start()

        result = run("ours", working, "-f", "more", *["-f", "nothing"] * 30, stdin=bytes(8 << 20))
        worker.stop()
        thread.join(TIMEOUT)

        assert (result.returncode, len(result.stdout)) == (0, 64 << 20)

    def test_the_timeout_includes_connecting(self) -> None:
        with socket.socket() as listener, contextlib.ExitStack() as waiting:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for _ in range(4):  # fills the backlog
                other = waiting.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(listener.getsockname())

            result = run("ours", f"127.0.0.1:{listener.getsockname()[1]}", "-f", "f", "--timeout", "0.2", "x")

        assert result.returncode == 2
        assert b"no answer in time" in result.stderr

    @pytest.mark.parametrize("words", [["-f", ""], ["-f", "f", "-u", "u" * 65]])
    def test_an_invalid_function_or_unique_is_wrong_usage(self, working: str, words: list[str]) -> None:
        assert run("ours", working, *words, "x").returncode == 1

    def test_a_server_that_disconnects_after_the_job_is_a_failure(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host, port = listener.getsockname()
            line = [*command("ours"), "-h", host, "-p", str(port), "-f", "f", "x"]
            with subprocess.Popen(line, stderr=subprocess.PIPE) as process:
                for _ in range(2):  # at the first time it may be a stale connection, so the client tries again
                    connection, _ = listener.accept()
                    connection.recv(65536)
                    connection.close()
                _, error = process.communicate(timeout=TIMEOUT)

        assert process.returncode == 2
        assert b"closes the connection when it gets a job" in error

    def test_a_server_that_closes_connections_is_skipped(self, working: str) -> None:
        """The last server in the list is tried first; this one accepts connections and closes them."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            closes = f"127.0.0.1:{listener.getsockname()[1]}"
            line = [*command("ours"), "-f", "cat", "x"]
            environment = os.environ | {"GEARMAN_SERVER": f"{working},{closes}"}
            with subprocess.Popen(line, stdout=subprocess.PIPE, env=environment) as process:
                listener.accept()[0].close()
                output, _ = process.communicate(timeout=TIMEOUT)

        assert (process.returncode, output) == (0, b"x")

    def test_it_can_be_interrupted_without_a_traceback(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host, port = listener.getsockname()
            line = [*command("ours"), "-h", host, "-p", str(port), "-f", "f", "x"]
            with subprocess.Popen(line, stderr=subprocess.PIPE) as process:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    process.send_signal(signal.SIGINT)
                    _, error = process.communicate(timeout=TIMEOUT)

        assert (process.returncode, error) == (-signal.SIGINT, b"")  # 130 in a shell

    def test_it_has_a_version(self) -> None:
        result = run_command([*command("ours"), "--version"], timeout=TIMEOUT)

        assert (result.returncode, result.stdout) == (0, f"gearman {__version__} - Geartrain\n".encode())

    @pytest.mark.parametrize("word", ["-H", "--help"])
    def test_help_is_for_newcomers(self, word: str) -> None:
        result = run_command([*command("ours"), word], timeout=TIMEOUT)

        assert result.returncode == 0
        assert b"gearman -w -f count -- wc -w" in result.stdout
        assert b"Exit status" in result.stdout

    def test_a_closed_pipe_ends_it_without_a_traceback(self, working: str) -> None:
        host, _, port = working.rpartition(":")
        line = [*command("ours"), "-h", host, "-p", port, "-f", "cat", "x"]
        reading, writing = os.pipe()
        os.close(reading)
        with subprocess.Popen(line, stdout=writing, stderr=subprocess.PIPE) as process:
            os.close(writing)
            _, error = process.communicate(timeout=TIMEOUT)

        assert (process.returncode, error) == (1, b"")


@pytest.fixture
def workers(server: str) -> Iterator["Workers"]:
    with Workers(server) as workers:
        yield workers


class Workers:
    """Starts `gearman -w` of either kind, and stops it in the end."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.started:
            process.kill()
            process.communicate()

    def start(self, whose: str, *words: str) -> "subprocess.Popen[bytes]":
        host, _, port = self.server.rpartition(":")
        line = [*command(whose), "-w", "-h", host, "-p", port, *words]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.started.append(process)
        return process

    def do(self, function: str, workload: bytes = b"") -> tuple[list[JobEvent], bytes | None]:
        """Return the events of a job, and its result or None for a failure."""
        events: list[JobEvent] = []
        with Client(self.server) as client:
            job = client.submit(function, workload)
            try:
                events += job.events(TIMEOUT)
                return events, job.result(TIMEOUT)
            except JobFailed:
                return events, None


class TestAnEqualWorker:
    @pytest.mark.parametrize("whose", ["theirs", "ours"])
    @pytest.mark.parametrize(
        ("words", "workload", "events", "result"),
        [
            (["--", "cat"], b"a\0b\n", [], b"a\0b\n"),
            (["--", "tr", "abc", "cba"], b"abc\n", [], b"cba\n"),
            (["--", "true"], b"not read", [], b""),
            (["--", "sh", "-c", "cat; exit 3"], b"some", [Data(b"some")], None),
            (["--", "false"], b"", [], None),
            (["-n", "--", "echo", "one"], b"", [Data(b"one\n")], b""),
            (["-N", "--", "echo", "one"], b"", [Data(b"one")], b""),
        ],
    )
    def test_jobs_end_the_same(
        self, workers: Workers, whose: str, words: list[str], workload: bytes, events: list[JobEvent], result: bytes
    ) -> None:
        workers.start(whose, "-f", "f", *words)

        assert workers.do("f", workload) == (events, result)

    @pytest.mark.parametrize("whose", ["theirs", "ours"])
    def test_without_a_command_jobs_are_printed(self, workers: Workers, whose: str) -> None:
        worker = workers.start(whose, "-f", "f", "-f", "g", "-c", "2")

        assert workers.do("f", b"a\0b\n") == ([], b"")
        assert workers.do("g", b"end") == ([], b"")

        out, error = worker.communicate(timeout=TIMEOUT)
        assert (worker.returncode, out, error) == (0, b"a\0b\nend", b"")

    @pytest.mark.parametrize("whose", ["theirs", "ours"])
    def test_timeouts_are_rounds(self, workers: Workers, whose: str) -> None:
        worker = workers.start(whose, "-f", "f", "-t", "20", "-c", "2")

        out, error = worker.communicate(timeout=TIMEOUT)
        assert (worker.returncode, out, error.count(b"\n")) == (0, b"", 2)

    @pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64])
    @pytest.mark.parametrize("whose", ["theirs", "ours"])
    def test_an_unknown_host_is_fatal(self, whose: str, host: str) -> None:
        line = [*command(whose), "-w", "-h", host, "-f", "f"]

        assert run_command(line, timeout=TIMEOUT).returncode == 1


class TestADifferentWorker:
    def test_each_line_is_sent_once(self, workers: Workers) -> None:
        workers.start("ours", "-f", "f", "-n", "--", "cat")

        assert workers.do("f", b"a\nb\nc") == ([Data(b"a\n"), Data(b"b\n"), Data(b"c")], b"")

    def test_lines_are_sent_while_the_command_runs(self, workers: Workers, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        workers.start("ours", "-f", "f", "-N", "--", "sh", "-c", f"echo first; cat {pipe}")

        with Client(workers.server) as client:
            events = client.submit("f").events(TIMEOUT)
            assert next(events) == Data(b"first")
            pipe.write_text("second\n")
            assert list(events) == [Data(b"second")]

    def test_a_command_may_write_before_it_reads(self, workers: Workers) -> None:
        workers.start("ours", "-f", "f", "--", "sh", "-c", "head -c 1000000 /dev/zero; cat")
        workload = b"x" * 1_000_000

        assert workers.do("f", workload) == ([], bytes(1_000_000) + workload)

    def test_a_killed_command_fails_its_job(self, workers: Workers) -> None:
        worker = workers.start("ours", "-f", "f", "-c", "1", "--", "sh", "-c", "kill -9 $$")

        assert workers.do("f") == ([Warn(b"sh was killed by SIGKILL\n")], None)
        assert b"sh was killed by SIGKILL (H:" in worker.communicate(timeout=TIMEOUT)[1]

    def test_a_signal_without_a_name_is_reported_by_number(self, workers: Workers) -> None:
        workers.start("ours", "-f", "f", "--", "sh", "-c", "kill -40 $$")

        assert workers.do("f") == ([Warn(b"sh was killed by signal 40\n")], None)

    def test_a_worker_with_closed_output_leaves_its_jobs_to_others(self, workers: Workers) -> None:
        worker = workers.start("ours", "-f", "f")
        assert worker.stdout is not None
        worker.stdout.close()
        with Client(workers.server) as client:
            job = client.submit("f", b"x")
            assert worker.wait(TIMEOUT) == 1
            workers.start("ours", "-f", "f")

            assert job.result(TIMEOUT) == b""

    def test_a_missing_command_fails_its_job(self, workers: Workers) -> None:
        workers.start("ours", "-f", "f", "--", "/nonexistent")

        assert workers.do("f") == ([Warn(b"/nonexistent: No such file or directory\n")], None)

    def test_a_signal_lets_the_command_finish(self, workers: Workers, tmp_path: Path) -> None:
        pipe, pids = tmp_path / "pipe", tmp_path / "pids"
        os.mkfifo(pipe)
        worker = workers.start("ours", "-f", "f", "-i", str(pids), "-n", "--", "sh", "-c", f"echo started; cat {pipe}")

        with Client(workers.server) as client:
            events = client.submit("f").events(TIMEOUT)
            assert next(events) == Data(b"started\n")
            assert pids.read_text() == f"{worker.pid}\n"
            assert pids.stat().st_mode & 0o777 == 0o744

            worker.terminate()
            pipe.write_text("finished\n")
            assert list(events) == [Data(b"finished\n")]

        assert worker.wait(TIMEOUT) == 0
        assert not pids.exists()

    def test_a_worker_that_no_server_allows_a_function_leaves(self) -> None:
        """Else it would wait for ever."""
        rules = access_rules([{"functions": "f", "may": ["work"]}])
        with run_server(access=rules) as server:
            line = [*command("ours"), "--server", server.address, "-w", "-f", "x", "-f", "y", "-t", "500"]
            result = run_command(line, timeout=TIMEOUT)

        assert result.returncode == 1
        assert result.stderr.count(b"ERROR NOT_ALLOWED: This connection may not work on x\n") == 1
        assert result.stderr.count(b"ERROR NOT_ALLOWED: This connection may not work on y\n") == 1
        assert result.stderr.endswith(b"gearman: leaving, as no server allows this worker its functions\n")

    def test_a_function_that_is_not_allowed_is_reported_once(self) -> None:
        rules = access_rules([{"functions": "f", "may": ["work"]}])
        with run_server(access=rules) as server:
            line = [*command("ours"), "--server", server.address, "-w", "-f", "f", "-f", "x", "-t", "100", "-c", "3"]
            result = run_command(line, timeout=TIMEOUT)

        assert result.returncode == 0
        assert result.stderr.count(b"no job came within ") == 3
        assert result.stderr.count(b"may not work on x\n") <= 1

    def test_a_missing_server_is_reported_once(self) -> None:
        server = f"127.0.0.1:{free_port()}"

        result = run("ours", server, "-w", "-f", "f", "-t", "1500", "-c", "1")

        assert result.returncode == 0
        lines = [line for line in result.stderr.decode().splitlines() if "refused" in line]
        assert [line.split(" ", 2)[2] for line in lines] == [
            f"gearman: WARNING: {server}: Connection refused; trying again until it is back"
        ]

    def test_with_a_timeout_of_zero_it_runs_the_waiting_jobs_and_exits(self, workers: Workers) -> None:
        with Client(workers.server) as client:
            client.submit_background("f", "a")
            client.submit_background("f", "b")

        worker = workers.start("ours", "-f", "f", "-t", "0")

        assert worker.communicate(timeout=TIMEOUT)[0] == b"ab"

    def test_it_goes_into_the_background(self, workers: Workers, tmp_path: Path) -> None:
        parent = workers.start(
            "ours", "-f", "f", "-d", "-c", "1", "-i", str(tmp_path / "pid"), "--", "tr", "abc", "cba"
        )
        assert parent.communicate(timeout=TIMEOUT) == (b"", b"")
        assert parent.returncode == 0

        assert workers.do("f", b"abc\n") == ([], b"cba\n")
