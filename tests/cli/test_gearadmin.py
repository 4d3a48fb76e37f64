# SPDX-License-Identifier: MIT
"""gearadmin compared with the C tool: equal output, and intended differences."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from geartrain import Client, __version__
from geartrain.cli.gearadmin import main
from geartrain.testing import ServerProcess, run_server
from tests.commands import GEARADMIN, GEARMAN, run_command
from tests.job_servers import free_port, needs

THEIRS = "/usr/bin/gearadmin"
TIMEOUT = 60.0  # seconds; only a failure takes as long


def run(command: list[str], server: str, *words: str) -> "subprocess.CompletedProcess[bytes]":
    _, _, port = server.rpartition(":")
    return run_command([*command, "-h", "127.0.0.1", "-p", port, *words], timeout=TIMEOUT)


def ours(server: str, *words: str) -> "subprocess.CompletedProcess[bytes]":
    return run([*GEARADMIN], server, *words)


def theirs(server: str, *words: str) -> "subprocess.CompletedProcess[bytes]":
    return run([needs(THEIRS)], server, *words)


@pytest.fixture
def filled(server: str) -> str:
    """A server with a job."""
    with Client(server) as client:
        client.submit_background("f", "w", unique="u")
    return server


class TestEqual:
    @pytest.mark.parametrize(
        "words",
        [
            "--status",
            "--stat",
            "--priority-status",
            "--show-jobs",
            "--show-unique-jobs",
            "--server-version",
            "--server-verbose",
            "--getpid",
            "--create-function=g",
            "--create-function f",
            "--status --getpid --server-version --create-function x",
            "--getpid stray words",
        ],
    )
    def test_output_and_status_are_the_same(self, filled: str, words: str) -> None:
        expected = theirs(filled, *words.split())
        result = ours(filled, *words.split())

        assert result.stdout == expected.stdout
        assert (result.returncode, result.stderr) == (expected.returncode, expected.stderr) == (0, b"")

    def test_workers_are_the_same_except_the_number_of_the_connection(self, server: str) -> None:
        expected = theirs(server, "--workers").stdout.partition(b" ")[2]

        assert ours(server, "--workers").stdout.partition(b" ")[2] == expected

    @pytest.mark.parametrize("words", ["", "--nonsense", "--create-function", "--show", "--status=x", "-z"])
    def test_wrong_usage_is_a_failure(self, server: str, words: str) -> None:
        """The C tool prints its help on stdout; ours prints one line on stderr, with the way to the help."""
        expected = theirs(server, *words.split())
        result = ours(server, *words.split())

        assert (result.returncode, result.stdout) == (expected.returncode, b"") == (1, b"")
        assert result.stderr.startswith(b"gearadmin: ")
        assert result.stderr.endswith(b" See gearadmin --help.\n")
        assert result.stderr.count(b"\n") == 1
        assert b"--priority-status" in expected.stdout


class TestDifferent:
    def test_a_refusal_sets_the_exit_status(self, server: str) -> None:
        words = ["--drop-function", "nowhere"]

        assert (theirs(server, *words).returncode, theirs(server, *words).stdout) == (0, b"")
        result = ours(server, *words)
        assert (result.returncode, result.stdout, result.stderr) == (
            2,
            b"",
            b"gearadmin: nowhere: function not found\n",
        )

    def test_without_a_server_there_is_a_reason_and_a_hint(self) -> None:
        server = f"127.0.0.1:{free_port()}"

        assert theirs(server, "--status").returncode == 1
        result = ours(server, "--status")
        assert result.returncode == 1
        assert f"cannot reach {server}: Connection refused".encode() in result.stderr
        assert b"gearmand" in result.stderr

    def test_a_server_without_tls_is_not_said_to_be_missing(self) -> None:
        with run_server() as running:
            server = f"tls://{running.address}"
            result = run_command([*GEARADMIN, "--server", server, "--status"], timeout=TIMEOUT)

        message = f"gearadmin: cannot reach {server}: it answers without TLS; leave out tls:// or the option for TLS\n"
        assert (result.returncode, result.stdout, result.stderr) == (1, b"", message.encode())

    def test_options_may_be_repeated(self, server: str) -> None:
        ours(server, "--create-function", "a", "--create-function", "b")

        listed = ours(server, "--status").stdout
        assert sorted(listed.splitlines()) == [b".", b"a\t0\t0\t0", b"b\t0\t0\t0"]

    def test_a_limit_is_set(self, filled: str) -> None:
        assert ours(filled, "--maxqueue", "f", "1").stdout == b"OK\n"

        refused = run_command([*GEARMAN, "--server", filled, "-f", "f", "-b", "x"], timeout=TIMEOUT)
        assert refused.returncode == 2
        assert b"Job queue is full" in refused.stderr

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["f", "abc"], "a number of jobs, or 0 for no limit, not 'abc'"),
            (["f", "10k"], "a number of jobs, or 0 for no limit, not '10k'"),
            (["f", "1", "2"], "one number for all jobs, or three for those of high, normal and low priority, not 2"),
        ],
    )
    def test_a_limit_that_the_server_would_ignore_is_refused(
        self, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["-p", str(free_port()), "--maxqueue", *words]) == 1

        assert reason in capsys.readouterr().err

    def test_a_limit_of_a_function_that_does_not_exist_is_an_error(self, filled: str) -> None:
        """Servers answer OK to it, and set no limit."""
        result = ours(filled, "--maxqueue", "g", "1", "--maxqueue", "f", "1", "2", "3", "--getpid", "--status")
        assert result.returncode == 2
        assert re.fullmatch(rb"\d+\nf\t1\t0\t0\n\.\nOK\n", result.stdout)
        assert (
            b"gearadmin: g: the server has no such function, so no limit was set; --create-function creates it"
            in result.stderr
        )

        created = ours(filled, "--maxqueue", "g", "1", "--create-function", "g", "--json")
        assert (created.returncode, json.loads(created.stdout)["maxqueue"]) == (0, {"g": "OK"})

    def test_listings_of_our_server_only(self) -> None:
        with run_server() as running:
            result = ours(f"127.0.0.1:{running.port}", "--stalls", "--limits", "--show-schedules", "--json")

        answers = json.loads(result.stdout)
        assert (answers["show_schedules"], answers["stalls"]) == ([], [])
        assert {"name": "memory", "refused": 0} in answers["limits"]

    def test_a_ping_is_answered_by_any_server(self, server: str) -> None:
        result = ours(server, "--ping", "--status")

        assert re.fullmatch(rb"127\.0\.0\.1:\d+ answers after \d+\.\d ms\n\.\n", result.stdout)
        assert result.returncode == 0
        assert 0 < json.loads(ours(server, "--ping", "--json").stdout)["ping"] < 20

    def test_a_ping_of_a_full_server_succeeds(self) -> None:
        with run_server(max_connections=1) as running, Client(running.address) as client:
            client.ping()

            assert ours(running.address, "--ping").returncode == 0

    def test_a_ping_of_a_stopped_server_fails_in_time(self) -> None:
        """Its operating system still accepts connections for it."""
        with ServerProcess() as wedged:
            wedged.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, wedged.process.pid, os.WSTOPPED)
            result = ours(wedged.address, "--ping", "--timeout=0.2")
            wedged.process.send_signal(signal.SIGCONT)

            assert (result.returncode, result.stdout) == (1, b"")
            assert b"did not answer within 0.2 seconds" in result.stderr
            assert ours(wedged.address, "--ping").returncode == 0

    def test_json_is_one_object(self, filled: str) -> None:
        words = "--status --show-jobs --show-unique-jobs --getpid --cancel-job H:nowhere:1 --maxqueue f --json"
        result = ours(filled, *words.split())

        answers = json.loads(result.stdout)
        assert result.returncode == 2
        assert answers["status"] == [{"function": "f", "total": 1, "running": 0, "workers": 0}]
        assert answers["show_unique_jobs"] == ["u"]
        assert answers["getpid"] > 0
        assert answers["cancel_job"] == {"H:nowhere:1": {"error": "UNKNOWN_JOB"}}
        assert answers["maxqueue"] == {"f": "OK"}

    def test_an_error_begins_with_the_handle_or_the_function(self, filled: str) -> None:
        result = ours(filled, "--cancel-job", "H:nowhere:1", "--drop-function", "nothing")

        assert (result.returncode, result.stdout) == (2, b"")
        assert b": H:nowhere:1: UNKNOWN_JOB\n" in result.stderr
        assert b": nothing: function not found\n" in result.stderr

    def test_a_file_that_is_missing_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--status", "--token-file", "/missing"]) == 1

        assert capsys.readouterr().err.endswith(": /missing: No such file or directory\n")

    def test_a_server_may_be_an_address(self, server: str) -> None:
        result = run_command([*GEARADMIN, "--server", server, "--status"], timeout=TIMEOUT)
        assert (result.returncode, result.stdout) == (0, b".\n")

    def test_help_has_all_options_and_examples(self, server: str) -> None:
        result = ours(server, "--help")

        assert result.returncode == 0
        for part in (b"--shutdown", b"--maxqueue", b"Examples:", b"Exit status:"):
            assert part in result.stdout

    def test_a_refused_shutdown_says_how_to_allow_it(self, server: str) -> None:
        """The C server has no such command any more, ours needs an option."""
        result = ours(server, "--shutdown=graceful")

        assert result.returncode == 2
        assert result.stderr.startswith(b"gearadmin: UNKNOWN_COMMAND Unknown server command")
        assert b"--allow-shutdown" in result.stderr.splitlines()[-1]

    @pytest.mark.parametrize("words", [["--shutdown"], ["--shutdown", "graceful"], ["--shutdown=now"]])
    def test_a_shutdown_that_is_allowed_stops_the_server(self, words: list[str]) -> None:
        with ServerProcess("--allow-shutdown") as allowing:
            result = ours(allowing.address, *words)

            assert (result.returncode, result.stdout, result.stderr) == (0, b"OK\n", b"")
            assert allowing.process.wait(TIMEOUT) == 0

    @pytest.mark.parametrize("variable", ["GEARMAN_SERVER", "GEARMAN_SERVERS"])
    def test_the_environment_names_the_server(self, server: str, variable: str) -> None:
        environment = os.environ | {variable: f"{server},127.0.0.1:1"}

        result = run_command([*GEARADMIN, "--status"], environment=environment, timeout=TIMEOUT)

        assert (result.returncode, result.stdout) == (0, b".\n")

    def test_an_option_overrides_the_environment(self, server: str) -> None:
        environment = os.environ | {"GEARMAN_SERVERS": "127.0.0.1:1"}
        _, _, port = server.rpartition(":")

        result = run_command([*GEARADMIN, "-p", port, "--status"], environment=environment, timeout=TIMEOUT)

        assert (result.returncode, result.stdout) == (0, b".\n")

    def test_it_has_a_version(self) -> None:
        result = run_command([*GEARADMIN, "--version"], timeout=TIMEOUT)

        assert result.stdout == f"gearadmin {__version__} - Geartrain\n".encode()

    @pytest.mark.parametrize(
        ("word", "hint"),
        [
            ("--statsu", "unknown option '--statsu'; did you mean '--status'?"),
            ("--sho", "--sho may be --show-jobs, --show-unique-jobs, --show-schedules, "),
            ("-status", "unknown option '-s' in '-status'; did you mean '--status'?"),
            ("status", "name an operation; did you mean '--status'?"),
            ("--cancel-job", "--cancel-job needs an argument: HANDLE"),
            ("--status=x", "--status takes no argument"),
            ("--shutdown=soon", "--shutdown takes now or graceful, not 'soon'"),
        ],
    )
    def test_a_slip_gets_a_hint(self, word: str, hint: str) -> None:
        result = run_command([*GEARADMIN, word], timeout=TIMEOUT)

        assert (result.returncode, result.stdout) == (1, b"")
        assert result.stderr.decode().startswith(f"gearadmin: {hint}")


@pytest.mark.parametrize("seconds", ["0", "-1", "1e30", "nan", "soon"])
def test_a_timeout_is_a_positive_number(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--timeout={seconds}", "--status"]) == 1

    assert f"--timeout takes a number of seconds above 0, not '{seconds}'" in capsys.readouterr().err


def test_names_from_a_server_that_escapes_nothing_do_not_change_the_terminal(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=_answer_once, args=(listener, b"a\xe2\x80\xaeb\x1b[2J\t1\t0\t0\n.\n"))
        answering.start()
        status = main(["-h", "127.0.0.1", "-p", str(listener.getsockname()[1]), "--status"])
        answering.join()

    assert status == 0
    assert capfdbinary.readouterr().out == rb"a\xe2\x80\xaeb\x1b[2J" + b"\t1\t0\t0\n.\n"


def _answer_once(listener: socket.socket, reply: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(reply)
        connection.recv(1000)
