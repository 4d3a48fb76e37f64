# SPDX-License-Identifier: MIT
"""Parts of Geartrain on systems without the features of Unix: each works, or says what it lacks."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from geartrain import UnsupportedPlatform
from geartrain.platforms import require
from geartrain.testing import run_server
from tests.waiting import TIMEOUT

ROOT = Path(__file__).parents[1]


def on_windows(program: str, *arguments: str) -> str:
    """Run a program in a Python that lacks what Windows lacks, and return its output."""
    code = f"from tests.windows import pretend\npretend()\nimport sys\nADDRESS = sys.argv[1]\n{program}"
    environment = {name: value for name, value in os.environ.items() if name != "GEARMAN_SERVERS"}
    done = subprocess.run(
        [sys.executable, "-c", code, *(arguments or ("none",))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_blocking_clients_and_workers_with_threads_work() -> None:
    program = """
import threading
from geartrain import AdminClient, Client, Progress, Worker
worker = Worker(ADDRESS, concurrency=2)
@worker.function
def reverse(job):
    job.progress(1, 2)
    return job.workload[::-1]
running = threading.Thread(target=worker.run)
running.start()
with Client(ADDRESS) as client, AdminClient(ADDRESS) as admin:
    print(client.do("reverse", "ab"), list(client.map("reverse", ["cd", "ef"])))
    print(list(client.submit("reverse", "gh")) == [Progress(1, 2)])
    handle = client.enqueue("later", delay=3600.5)
    print(client.status(handle).known, client.ping() > 0, admin.ping() > 0, admin.ping() > 0)
worker.stop()
running.join()
print(worker.run(burst=True).value)  # in the main thread, which sets handlers of signals
"""
    with run_server() as server:
        output = on_windows(program, server.address)

    assert output.splitlines() == [
        "b'ba' [b'dc', b'fe']",
        "True",
        "True True True True",
        "drained",
    ]


def test_asyncio_clients_and_workers_work() -> None:
    program = """
import asyncio
from geartrain import AsyncAdminClient, AsyncClient, AsyncWorker
worker = AsyncWorker(ADDRESS)
@worker.function
async def reverse(job):
    return job.workload[::-1]
async def main():
    async with AsyncClient(ADDRESS) as client, AsyncAdminClient(ADDRESS) as admin:
        running = asyncio.create_task(worker.run())
        print(await client.do("reverse", "ab"), await admin.ping() > 0, await admin.ping() > 0)
        worker.stop()
        print((await running).value)
asyncio.run(main())
"""
    with run_server() as server:
        output = on_windows(program, server.address)

    assert output.splitlines() == ["b'ba' True True", "stopped"]


def test_a_signal_stops_an_asyncio_worker_whose_loop_handles_none() -> None:
    program = """
import asyncio, os, signal
from geartrain import AsyncClient, AsyncWorker
worker = AsyncWorker(ADDRESS)
@worker.function
async def ready(job):
    return b"yes"
async def main():
    before = signal.getsignal(signal.SIGTERM)
    async with AsyncClient(ADDRESS) as client:
        running = asyncio.create_task(worker.run())
        await client.do("ready")
        os.kill(os.getpid(), signal.SIGTERM)
        print((await running).value, signal.getsignal(signal.SIGTERM) is before)
asyncio.run(main())
"""
    with run_server() as server:
        output = on_windows(program, server.address)

    assert output == "stopped True\n"


def test_eager_clients_and_the_core_work() -> None:
    program = """
import asyncio
from geartrain.protocol import Command
from geartrain.testing import AsyncEagerClient, EagerClient, Wire
print(EagerClient({"reverse": lambda job: job.workload[::-1]}).do("reverse", "ab"))
print(asyncio.run(AsyncEagerClient({"reverse": lambda job: job.workload[::-1]}).do("reverse", "cd")))
print(Wire().connect().ask(Command.ECHO_REQ, b"ef")[1])
"""
    assert on_windows(program).splitlines() == ["b'ba'", "b'dc'", "b'ef'"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "import geartrain.server",
            "the job server needs fcntl, which Python on win32 does not have; clients and workers on this system can",
        ),
        ("from geartrain.testing import run_server", "the job server needs fcntl, which Python on win32"),
        ("import geartrain.storage", "the job server needs fcntl, which Python on win32 does not have"),
        (
            "from geartrain import Worker; Worker(executor='process')",
            'executor="process" needs os.fork, which Python on win32 does not have; use threads',
        ),
        (
            "from geartrain import Client; Client('a, unix:/run/gearmand.sock')",
            "the address unix:/run/gearmand.sock needs socket.AF_UNIX, which Python on win32 does not have; use the",
        ),
        ("from geartrain import AsyncWorker; AsyncWorker('unix:/x')", "the address unix:/x needs socket.AF_UNIX"),
    ],
)
def test_other_parts_name_what_they_lack(statement: str, message: str) -> None:
    program = f"""
from geartrain import UnsupportedPlatform
try:
    {statement}
except UnsupportedPlatform as error:
    print(error)
"""
    assert on_windows(program).startswith(message)


@pytest.mark.parametrize("start", ["main", "gearmand"])
def test_the_command_gearmand_prints_one_line(start: str) -> None:
    program = f"""
import contextlib, geartrain.__main__ as commands
sys.argv = ["geartrain", "gearmand", "--port=1"]
with contextlib.redirect_stderr(sys.stdout):
    print(commands.{start}())
"""
    line, status = on_windows(program).splitlines()

    assert line.startswith("gearmand: the job server needs fcntl, which Python on win32 does not have; clients")
    assert status == "1"


def test_the_command_gearman_submits_and_works_and_stays_in_the_foreground() -> None:
    program = """
import contextlib
from geartrain.cli.gearman import main
host, port = ADDRESS.rsplit(":", 1)
server = ["-h", host, "-p", port]
print(main([*server, "-f", "count", "-b", "some words"]))
print(main([*server, "-w", "-c", "1", "-f", "count", "--", "wc", "-w"]))
with contextlib.redirect_stderr(sys.stdout):
    print(main([*server, "-d", "-w", "-f", "count", "--", "wc"]))
"""
    with run_server() as server:
        lines = on_windows(program, server.address).splitlines()

    assert lines[:2] == ["0", "0"]
    assert lines[2].startswith("-c: the option -d needs os.fork, which Python on win32 does not have; start it")
    assert lines[3:] == ["1"]


def test_features_are_modules_and_what_is_in_them() -> None:
    require("this test", ("os", "os.path"), "nothing")
    for missing in ("no_such_module", "os.no_such_function", "no_such_module.function"):
        with pytest.raises(UnsupportedPlatform, match=f"^this test needs {missing}, which Python on {sys.platform} "):
            require("this test", ("os", missing), "nothing")


def test_the_error_is_an_import_error_and_can_be_pickled() -> None:
    error = UnsupportedPlatform("it needs os.fork")

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # its own

    assert isinstance(copy, ImportError)
    assert str(copy) == "it needs os.fork"
