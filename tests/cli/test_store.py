# SPDX-License-Identifier: MIT
"""The command gearmand store."""

import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from geartrain import AdminClient, Client, Priority, __version__
from geartrain.cli import gearmand
from geartrain.storage.store import CHUNK
from geartrain.testing import run_server

COMMAND = (sys.executable, "-m", "geartrain.cli.gearmand", "store")


class Said(NamedTuple):
    status: int
    out: str
    error: str


@pytest.fixture
def store(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> "Command":
    return Command(capfdbinary, monkeypatch)


class Command:
    """Runs the command in this process."""

    def __init__(self, captured: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        self._captured = captured
        self._monkeypatch = monkeypatch

    def __call__(self, *words: str | Path, stdin: bytes = b"") -> Said:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = gearmand.main(["store", *map(str, words)])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else -1
        out, error = self._captured.readouterr()
        return Said(status, out.decode(), error.decode())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/jobs.db"


@pytest.fixture
def other(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/other.db"


def lines(*jobs: dict[str, object]) -> bytes:
    return b"".join(json.dumps(job).encode() + b"\n" for job in jobs)


def some(count: int, **fields: object) -> list[dict[str, object]]:
    """Return jobs in the format of ``export``."""
    plain = {"priority": "normal", "workload": "w"} | fields
    return [{"number": number, "handle": f"H:a:{number}", "function": "f", **plain} for number in range(1, count + 1)]


def jobs_of(exported: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in exported.splitlines()]


def handles_of(exported: str) -> Sequence[object]:
    return [job["handle"] for job in jobs_of(exported)]


def test_jobs_of_a_server_are_exported_and_imported_into_another_store(store: Command, url: str, other: str) -> None:
    with run_server(store=url) as server, Client(server.address) as client:
        client.submit_background("resize", b"\xff\0", unique="u", priority=Priority.LOW)
        client.submit_background("mail", "hello", at=2**33)
        handles = _handles(server.address)

    exported = store("export", url)
    imported = store("import", other, "-", stdin=exported.out.encode())

    assert (exported.status, imported) == (0, Said(0, "2 jobs stored\n", ""))
    assert [(job["function"], job["workload"]) for job in jobs_of(exported.out)] == [
        ("resize", {"base64": "/wA="}),
        ("mail", "hello"),
    ]
    assert store("export", other) == exported
    with run_server(store=other) as server, Client(server.address) as client:
        client.submit_background("f", "new")  # waits until the others are restored
        found = _handles(server.address)
    assert (len(found), set(handles) < set(found)) == (3, True)


def _handles(address: str) -> Sequence[str]:
    with AdminClient(address) as admin:
        return sorted(job.handle for job in admin.jobs())


def test_a_store_can_be_read_while_a_server_uses_it(store: Command, url: str) -> None:
    with run_server(store=url) as server, Client(server.address) as client:
        client.submit_background("f", "w")

        assert len(jobs_of(store("export", url).out)) == 1
        assert store("inspect", url).out.startswith("jobs       1, numbers 1 to 1\n")
        client.submit_background("f", "w")

        assert len(jobs_of(store("export", url).out)) == 2


def test_import_into_a_store_that_a_server_uses_is_refused(store: Command, url: str) -> None:
    with run_server(store=url):
        said = store("import", url, "-", stdin=lines(*some(1)))

    assert said.status == 1
    assert said.error.endswith(f"jobs.db: another server uses this file (process {os.getpid()})\n")
    assert store("export", url).out == ""


def test_inspect_shows_numbers(store: Command, url: str) -> None:
    store(
        "import",
        url,
        "-",
        stdin=lines(
            {"number": 5, "function": "resize", "workload": "1234", "priority": "high"},
            {"number": 9, "function": "resize", "run_at": 2**34},
            {"number": 10, "function": "resize", "run_at": 2**50},
            {"number": 11, "function": "past", "run_at": 1, "schedule": "*/5 * * * *"},
            {"number": 12, "function": {"base64": "/w=="}, "priority": "low"},
        ),
    )

    assert store("inspect", url).out.splitlines() == [
        "jobs       4, numbers 5 to 12",
        "bytes      4",
        "delayed    2, the first until 2514-05-30T01:53:04Z",
        "schedules  1",
        "reserved   numbers up to 12",
        "",
        "function  jobs  high  normal  low  delayed  schedules  bytes",
        "past         0     0       0    0        0          1      0",
        "resize       3     1       2    0        2          0      4",
        "\\xff         1     0       0    1        0          0      0",
    ]
    told = json.loads(store("inspect", "--json", url).out)
    functions = told.pop("functions")
    assert told == {
        "jobs": 4,
        "bytes": 4,
        "oldest": 5,
        "newest": 12,
        "reserved": 12,
        "delayed": 2,
        "next_at": 2**34,
        "schedules": 1,
    }
    assert functions[1] == {
        "function": "resize",
        "jobs": 3,
        "high": 1,
        "normal": 2,
        "low": 0,
        "delayed": 2,
        "schedules": 0,
        "bytes": 4,
    }
    assert functions[2]["function"] == {"base64": "/w=="}


def test_inspect_of_an_empty_store(store: Command, url: str) -> None:
    assert store("import", url, "-") == Said(0, "0 jobs stored\n", "")

    assert store("inspect", url).out.startswith("jobs       0\nbytes      0\ndelayed    0\n")
    assert json.loads(store("inspect", url, "--json").out)["oldest"] is None


@pytest.mark.parametrize("action", ["inspect", "export"])
def test_reading_creates_no_store(store: Command, url: str, tmp_path: Path, action: str) -> None:
    said = store(action, url)

    assert (said.status, said.error) == (1, f"gearmand store {action}: {tmp_path}/jobs.db: there is no such file\n")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_store_is_an_error(store: Command, url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        connection.execute("CREATE TABLE gearman_queue (x)")

    assert "there are no jobs of a Geartrain server" in store("inspect", url).error


def test_an_exported_file_is_replaced_when_it_is_complete(store: Command, url: str, tmp_path: Path) -> None:
    file = tmp_path / "jobs.json"
    store("import", url, "-", stdin=lines(*some(3)))
    file.write_text("old")

    assert store("export", url, file) == Said(0, "", "")

    assert jobs_of(file.read_text()) == some(3)
    assert file.stat().st_mode & 0o777 == 0o600
    assert store("export", "sqlite:///nowhere/jobs.db", file).status == 1
    assert jobs_of(file.read_text()) == some(3)
    assert not list(tmp_path.glob("*.part"))


def test_order_is_kept_over_many_batches(store: Command, url: str) -> None:
    count = 2 * CHUNK + 7
    jobs = some(count)

    assert store("import", url, "-", stdin=lines(*reversed(jobs))).out == f"{count} jobs stored\n"

    assert handles_of(store("export", url).out) == [job["handle"] for job in reversed(jobs)]


def test_an_invalid_line_is_named_and_complete_batches_stay(store: Command, url: str) -> None:
    good = some(CHUNK + 5)
    text = lines(*good[: CHUNK + 2]) + b"{nonsense\n" + lines(*good[CHUNK + 2 :])

    said = store("import", url, "-", stdin=text)

    assert said.status == 1
    assert f"line {CHUNK + 3}: not JSON" in said.error
    assert f"{CHUNK} jobs are stored, and --resume continues from there" in said.error
    assert len(handles_of(store("export", url).out)) == CHUNK
    assert store("import", url, "-", stdin=lines(*good)).status == 1
    assert store("import", url, "-", "--resume", stdin=lines(*good)).out == (
        f"5 jobs stored; {CHUNK} were there already\n"
    )
    assert jobs_of(store("export", url).out) == good


def test_imported_jobs_are_added_to_existing_ones(store: Command, url: str) -> None:
    store("import", url, "-", stdin=lines(*some(3)))

    said = store("import", url, "-", stdin=lines(*some(2, workload="another")))

    assert said.out == "2 jobs stored; 2 of them have a new handle, as another job has the old one\n"
    assert [(job["number"], job["handle"]) for job in jobs_of(store("export", url).out)] == [
        (1, "H:a:1"),
        (2, "H:a:2"),
        (3, "H:a:3"),
        (4, "H:a:1.2"),
        (5, "H:a:2.2"),
    ]


def test_importing_the_same_jobs_again_needs_an_option(store: Command, url: str) -> None:
    store("import", url, "-", stdin=lines(*some(2)))

    said = store("import", url, "-", stdin=lines(*some(2)))
    again = store("import", url, "-", "--new-handles", "--job-handle-prefix=H:here", stdin=lines(*some(2)))

    assert (said.status, said.error.splitlines()[-1]) == (1, "nothing has been stored")
    assert again.out == "2 jobs stored\n"
    assert handles_of(store("export", url).out) == ["H:a:1", "H:a:2", "H:here:3", "H:here:4"]


def test_a_queue_of_gearmand_is_imported_and_deleted_only_on_request(store: Command, url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection, connection:
        connection.execute("CREATE TABLE old (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB)")
        connection.execute("INSERT INTO old VALUES ('u', 'f', 0, NULL), ('v', 'a-b', 2, 'w')")
    queue = f"sqlite://{tmp_path}/queue.db?table=old"

    assert store("import", url, "--from", queue).out == "2 jobs stored\n"
    assert store("import", url, "--from", queue).status == 1
    assert store("import", url, "--from", queue, "--resume").out == "0 jobs stored; 2 were there already\n"
    assert store("import", url, "--from", queue, "--resume", "--delete").status == 0
    assert store("import", url, "--from", queue).out == "0 jobs stored\n"

    found = jobs_of(store("export", url).out)
    assert [(job["function"], job["unique"], job["priority"], job["workload"]) for job in found] == [
        ("f", "u", "high", ""),
        ("a-b", "v", "low", "w"),
    ]


def test_a_queue_is_not_emptied_when_its_jobs_could_not_be_stored(store: Command, url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection, connection:
        connection.execute("CREATE TABLE gearman_queue (unique_key, function_name, priority, data)")
        connection.execute("INSERT INTO gearman_queue VALUES ('u', 'f', 0, 'w')")
    queue = f"sqlite://{tmp_path}/queue.db"
    with run_server(store=url):
        assert store("import", url, "--from", queue, "--delete").status == 1

    assert store("import", url, "--from", queue, "--delete").out == "1 job stored\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("", "gearmand store: name an action: inspect, export or import. See gearmand store --help."),
        ("frobnicate", "the action is inspect, export or import, not 'frobnicate'. See"),
        ("inpsect", "the action is inspect, export or import, not 'inpsect'; did you mean 'inspect'? See"),
        ("inspect", "inspect needs the URL of a store"),
        ("inspect sqlite:x y", "inspect takes no 'y'"),
        ("inspect sqlite:x --jsn", "unknown option '--jsn'; did you mean '--json'?"),
        ("import sqlite:x", "import needs a FILE, or --from OLD"),
        ("import sqlite:x file --from sqlite:y", "import takes a FILE or --from OLD, not both"),
        ("import sqlite:x file --delete", "--delete goes with --from"),
        ("export nothing:x", "'nothing:x' is not a store: it has to begin with sqlite://"),
        ("import sqlite:x --from nothing:x", "is not a queue of gearmand"),
        ("import sqlite:x /missing", "No such file or directory: '/missing'"),
        ("inspect redis://127.0.0.1:1", "redis 127.0.0.1"),
        ("inspect memcached://127.0.0.1:1", "memcached 127.0.0.1"),
    ],
)
def test_wrong_usage_is_explained_on_stderr(
    store: Command, words: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    said = store(*words.split())

    assert (said.status, said.out) == (1, "")
    assert said.error.startswith("gearmand store")
    assert problem in said.error


@pytest.mark.parametrize("words", [["--version"], ["inspect", "--version"]])
def test_it_has_a_version(store: Command, words: list[str]) -> None:
    assert store(*words) == Said(0, f"gearmand store {__version__} - Geartrain\n", "")


@pytest.mark.parametrize("words", [["--help"], ["inspect", "--help"], ["export", "--help"], ["import", "--help"]])
def test_each_has_help_on_lines_of_a_terminal(store: Command, words: list[str]) -> None:
    said = store(*words)

    assert said.status == 0
    assert said.out.startswith("Usage: gearmand store")
    assert max(map(len, said.out.splitlines())) <= 120


def test_a_closed_pipe_ends_it_without_a_traceback(url: str, store: Command) -> None:
    store("import", url, "-", stdin=lines(*some(3000, workload="w" * 100)))

    with subprocess.Popen([*COMMAND, "export", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""

    assert process.returncode == 1


def test_export_and_import_work_in_a_pipe(url: str, other: str, store: Command) -> None:
    store("import", url, "-", stdin=lines(*some(3000)))
    command = " ".join(COMMAND)

    done = subprocess.run(
        ["sh", "-c", f"{command} export {url} | {command} import {other} -"], capture_output=True, text=True, check=True
    )

    assert done.stdout == "3000 jobs stored\n"
    assert store("export", other) == store("export", url)
