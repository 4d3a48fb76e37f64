# SPDX-License-Identifier: MIT
"""The plugin for pytest, as another project's test suite meets it."""

import subprocess
import sys
from pathlib import Path

import pytest

from geartrain import AdminClient, AsyncAssignedJob, AsyncWorker, Client, JobException, Worker
from geartrain.testing import RunningServer, run_worker
from geartrain.testing.plugin import StartWorker

SUITE = """
import pytest
from geartrain import Client, JobFailed, Worker

worker = Worker("nowhere.invalid")

@worker.function
def reverse(job):
    return job.workload[::-1]

@worker.function
def never(job):
    job.fail()

def test_server(gearman_server):
    with Client(gearman_server.address) as client:
        handle = client.submit_background("f")
        assert client.status(handle).known

@pytest.mark.parametrize("word", ["abc", "noon"])
def test_worker(gearman_client, gearman_worker, word):
    gearman_worker(worker)
    assert gearman_client.do("reverse", word, timeout=20).decode() == word[::-1]
    with pytest.raises(JobFailed):
        gearman_client.do("never", timeout=20)

def test_two_workers(gearman_client, gearman_worker, gearman_admin):
    gearman_worker(worker)
    gearman_worker({"double": lambda job: job.workload * 2})
    assert gearman_client.do("double", "ab", timeout=20) == b"abab"
    assert gearman_client.do("reverse", "ab", timeout=20) == b"ba"
    assert {row.function for row in gearman_admin.status()} == {"double", "never", "reverse"}

def test_fails(gearman_client, gearman_worker):
    gearman_worker(worker)
    assert gearman_client.do("reverse", "ab", timeout=20) == b"ab"
"""


def run_suite(folder: Path, suite: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_suite.py").write_text(suite)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_a_users_suite_needs_nothing_but_the_names_of_fixtures(tmp_path: Path) -> None:
    done = run_suite(tmp_path, SUITE)

    assert "1 failed, 4 passed" in done.stdout, done.stdout + done.stderr
    assert "assert b'ba' == b'ab'" in done.stdout


def test_fixtures_describe_themselves(tmp_path: Path) -> None:
    done = run_suite(tmp_path, "", "--fixtures")

    assert "gearman_server" in done.stdout
    assert "A job server on a free port" in done.stdout


def test_a_suite_that_uses_none_pays_for_none(tmp_path: Path) -> None:
    unwanted = "'geartrain.core', 'geartrain.server', 'asyncio', 'uvloop'"
    suite = f"import sys\ndef test(): print('loaded', [name for name in ({unwanted}) if name in sys.modules])\n"
    # Other plugins of ours may well load asyncio, and from Python 3.14 on pytest itself does.
    others = ("-s", "-p", "no:hypothesispytest", "-p", "no:timeout")

    done = run_suite(tmp_path, suite, *others)
    without = run_suite(tmp_path, suite, *others, "-p", "no:geartrain")

    assert loaded(done) == loaded(without)
    assert "geartrain" not in loaded(done)


def loaded(done: subprocess.CompletedProcess[str]) -> str:
    return next(line.partition("loaded")[2] for line in done.stdout.splitlines() if "loaded" in line)


def test_a_worker_gets_its_own_server_back_afterwards(gearman_server: RunningServer) -> None:
    worker = Worker("elsewhere:1")
    worker.add_function("f", lambda job: b"")

    for _ in range(2):
        with run_worker(worker, gearman_server.address):
            assert repr(worker) == f"<Worker of {gearman_server.address}: f>"
        assert repr(worker) == "<Worker of elsewhere:1: f>"


def test_all_fixtures_use_one_server(
    gearman_client: Client, gearman_admin: AdminClient, gearman_worker: StartWorker
) -> None:
    def greet(job: object) -> str:
        raise ValueError("no name")

    gearman_worker({"greet": greet})

    with pytest.raises(JobException, match="ValueError: no name"):
        gearman_client.do("greet", timeout=20)
    assert {row.functions for row in gearman_admin.workers()} == {(), ("greet",)}


async def double(job: AsyncAssignedJob) -> bytes:
    return job.workload * 2


@pytest.mark.parametrize("by_name", [False, True])
def test_asynchronous_workers_are_run_too(
    gearman_client: Client, gearman_worker: StartWorker, *, by_name: bool
) -> None:
    worker = AsyncWorker("elsewhere:1")
    worker.add_function("double", double)

    started = gearman_worker({"double": double} if by_name else worker)

    assert isinstance(started, AsyncWorker)
    assert gearman_client.do("double", "ab", timeout=20) == b"abab"


def test_a_list_of_functions_is_rejected() -> None:
    with pytest.raises(TypeError, match="by their names"), run_worker([double]):  # type: ignore[arg-type]
        pass
