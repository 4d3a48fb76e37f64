# SPDX-License-Identifier: MIT
"""The command gearmand: options, messages and the log."""

import asyncio
import json
import os
import platform
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from geartrain import __version__
from geartrain.cli import gearmand as cli
from geartrain.core import IS_COMPILED
from geartrain.protocol import Command, request
from geartrain.server import Server
from geartrain.server.listen.endpoints import Endpoint
from geartrain.server.options import GearmandOptions
from geartrain.storage import StoreError
from geartrain.testing import ServerProcess
from tests.commands import GEARMAND, run_command

HOW = "compiled" if IS_COMPILED else "interpreted"


def gearmand(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    done = run_command([*GEARMAND, f"--config-file={os.devnull}", *words], timeout=60)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def ask(server: ServerProcess, line: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), 20) as wire:
        wire.sendall(line + b"\n")
        return wire.recv(65535)


def test_the_version_can_be_parsed() -> None:
    done = gearmand("-V")

    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == ["", f"gearmand {__version__} - Geartrain"]
    assert done.stdout.splitlines()[2:] == [f"{HOW}, {platform.python_implementation()} {platform.python_version()}"]


def test_the_help_names_every_option_on_lines_of_a_terminal() -> None:
    done = gearmand("--help")

    assert done.returncode == 0
    assert "-p, --port PORT" in done.stdout
    assert "[4730]" in done.stdout
    assert "--allow-shutdown" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


def test_a_wrong_option_is_reported_on_stderr() -> None:
    done = gearmand("--nonsense")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "gearmand: unknown option '--nonsense'. See gearmand --help.\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", 0),
        ("-d -vvv -p 4731 -L ::1 -t 0", 0),
        ("-p nonsense", 1),
        ("-u nonsense", 1),
        ("--ssl", 1),
        ("--ssl --ssl-certificate /missing", 1),
        ("--ssl-verify=required", 1),
        ("-q libdrizzle", 1),
        ("--store sqlite:/dev/null/x.db", 1),
        ("--store sqlite:/dev/null", 1),
        ("--store sqlite:/tmp", 1),
        ("--store redis://no-such-host.invalid", 1),
        ("--store redis://localhost:99999", 1),
        ("-q redis --redis-server no-such-host.invalid", 1),
        ("-q libmemcached --libmemcached-servers localhost:x", 1),
        ("--store redis://localhost", 0),
        ("--store nosuch://localhost", 1),
    ],
)
def test_arguments_can_be_checked_without_a_start(words: str, code: int) -> None:
    done = gearmand("--check-args", *words.split())

    assert (done.returncode, done.stdout) == (code, "")
    assert bool(done.stderr) == bool(code)


@pytest.mark.parametrize("words", [["--store=redis://localhost"], ["-q", "redis"]])
def test_a_missing_library_of_the_store_is_found_without_a_start(words: list[str]) -> None:
    program = "import sys; sys.modules['redis'] = None; from geartrain.cli.gearmand import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--check-args", f"--config-file={os.devnull}", *words]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.endswith("install it with: python -m pip install 'redis[hiredis]'\n")


def test_by_default_the_start_and_the_addresses_are_logged() -> None:
    with ServerProcess() as server:
        assert ask(server, b"version") == f"OK {__version__}\n".encode()
        assert ask(server, b"getpid") == b"OK %d\n" % server.process.pid
        assert ask(server, b"verbose") == b"OK ERROR\n"
        with socket.create_connection(("127.0.0.1", server.port), 20) as wire:
            wire.sendall(request(Command.SUBMIT_JOB_BG, b"f", b"u", b""))
            wire.recv(100)

        assert server.stop() == 0
    texts = [line.partition("] ")[2] for line in server.lines]
    level = "ERROR (NOTICE for the server itself)"
    facts = f"Geartrain {__version__}, {HOW}"
    assert texts[0] == f"Starting up with pid {server.process.pid}, verbose is set to {level}; {facts}"
    assert texts[1].startswith("Limits: max-packet-size 256 MiB, ")
    assert re.search(r", max-memory \d+(\.\d)? [GM]iB, ", texts[1])
    assert texts[1].endswith("; none for max-connections, max-connections-per-address, max-jobs-per-connection")
    assert texts[2] == "Background jobs are kept in memory only, and are lost when the server stops"
    assert re.fullmatch(rf"Listening on 127\.0\.0\.1:{server.port} \(descriptor \d+\)", texts[3])
    assert texts[4:] == [
        "Shutdown requested by SIGTERM",
        "Lost 1 background job that no store has",
        "Shutdown complete",
    ]


def test_the_start_names_the_store_and_the_limits(tmp_path: Path) -> None:
    store = tmp_path / "jobs.db"
    with ServerProcess(f"--store=sqlite://{store}", "--durability=relaxed", "--max-memory=1G") as server:
        server.wait_for_line(f"Background jobs are kept in {store}, durability relaxed; it has 0 jobs")
        server.wait_for_line(", max-memory 1 GiB, ")


def test_json_has_the_facts_as_fields() -> None:
    with ServerProcess("--log-format=json", "-vv", "--max-memory=0") as server:
        with socket.create_connection(("127.0.0.1", server.port), 20) as wire:
            wire.sendall(request(Command.SUBMIT_JOB, b"f", b"u", b""))
            wire.recv(100)
        assert server.stop() == 0

    lines = {line["event"]: line for line in map(json.loads, server.lines) if "event" in line}
    assert lines["start"]["version"] == __version__
    assert (lines["limits"]["max_packet_size"], lines["limits"]["max_memory"]) == (256 << 20, 0)
    assert lines["listening"]["address"] == f"127.0.0.1:{server.port}"
    assert (lines["accepted"]["function"], lines["accepted"]["unique"]) == ("f", "u")
    assert lines["submitted"]["handle"] == lines["accepted"]["handle"] == lines["abandoned"]["handle"]


def test_with_v_every_submission_is_a_line() -> None:
    with ServerProcess("-v") as server, socket.create_connection(("127.0.0.1", server.port), 20) as wire:
        wire.sendall(request(Command.SUBMIT_JOB_BG, b"f\n", b"u", b""))

        assert server.wait_for_line(r"accepted,f\x0a,u,0").startswith(" NOTICE ")


def test_with_vv_every_connection_is_a_line() -> None:
    with ServerProcess("-vv") as server:
        with socket.create_connection(("127.0.0.1", server.port), 20) as wire:
            name = f"127.0.0.1:{wire.getsockname()[1]}"
            server.wait_for_line(f"Accepted connection from {name}")
        server.wait_for_line(f"Disconnected {name}")


def test_the_log_can_be_json() -> None:
    with ServerProcess("--log-format=json") as server:
        assert json.loads(server.wait_for_line("Listening on"))["level"] == "NOTICE"


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = gearmand("-L", "127.0.0.1", "-p", str(port), "--bind-timeout=0", f"--log-file={log}")

    message = f"Could not listen on 127.0.0.1, port {port}: Address already in use"
    assert done.returncode == 1
    assert done.stderr.startswith(f"gearmand: {message}; another server may be running there")
    assert "  FATAL " in log.read_text()
    assert message in log.read_text()


def test_a_log_that_cannot_be_opened_is_replaced_by_stderr() -> None:
    with ServerProcess("--log-file=/missing/log") as server:
        assert "Could not open the log file /missing/log: No such file or directory" in server.lines[0]


def test_ignored_words_of_a_file_are_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.conf"
    file.write_text("port=1")
    with ServerProcess(f"--config-file={file}") as server:
        server.wait_for_line("ignored 'port=1', which is not an option")


def test_variables_are_read() -> None:
    with ServerProcess(environment={"GEARMAND_VERBOSE": "info"}) as server:
        assert ask(server, b"verbose") == b"OK INFO\n"


class TestQueueOfACServer:
    """A persistent queue with jobs of a C server, which is not the store of this one."""

    def test_stops_the_start_and_stays_as_it_is(self, tmp_path: Path) -> None:
        file = tmp_path / "queue.db"
        with closing(sqlite3.connect(file)) as queue, queue:
            queue.execute("CREATE TABLE q (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB)")
            queue.execute("INSERT INTO q VALUES ('u', 'f', 0, 'w')")
        before = file.read_bytes()

        words = ("-q", "libsqlite3", f"--libsqlite3-db={file}", "--libsqlite3-table=q")
        done = gearmand(*words, f"--listen=unix:{tmp_path / 's'}")

        assert done.returncode == 1
        assert f"{file} has jobs of a C server" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("  gearmand store import ")
        assert file.read_bytes() == before

    def test_is_looked_for_again_if_its_database_was_not_there_at_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = []

        async def refuse(store: str | None, options: GearmandOptions) -> bool:
            looks.append(store)
            if len(looks) == 2:
                raise StoreError("it has jobs of a C server")
            return False

        async def start() -> None:
            options = GearmandOptions(
                listen=(Endpoint(path=str(tmp_path / "s")),), store=f"sqlite:{tmp_path / 'jobs.db'}"
            )
            await cli._start(Server(options), options)

        monkeypatch.setattr(cli, "refuse_queue", refuse)
        with pytest.raises(StoreError, match="has jobs of a C server"):
            asyncio.run(start())
