# SPDX-License-Identifier: MIT
"""The base installation: clients and workers need neither the server's libraries nor the optional packages."""

import subprocess
import sys
from pathlib import Path

import mypy_extensions
import pytest

from geartrain.core import jobserver
from geartrain.testing import run_server

ROOT = Path(__file__).parents[2]
SERVER_LIBRARIES = ("uvloop", "cronsim", "librt")
IS_COMPILED = not jobserver.__file__.endswith(".py")  # then its packets are read and written with librt

WORK = """
import sys
import threading
from dataclasses import dataclass

from geartrain import JSON, AdminClient, ArgumentError, Client, Worker

@dataclass
class Size:
    width: int
    height: int = 1

worker = Worker(sys.argv[1], max_jobs=3, codec=JSON)

@worker.function
def area(size: Size, scale: float = 1.0) -> float:
    return size.width * size.height * scale

@worker.function
def double(job):
    return {"doubled": 2 * job.value["number"]}

thread = threading.Thread(target=worker.run)
thread.start()
with Client(sys.argv[1], codec=JSON) as client:
    print(area.do(Size(3, 4), scale=0.5))
    print(client.do("double", {"number": 4}))
    try:
        area.do("wide")
    except ArgumentError as error:
        print(error)
    try:
        client.do("area", ["wide"])
    except Exception as error:
        print(type(error).__name__)
with AdminClient(sys.argv[1]) as admin:
    assert admin.status()
thread.join()
"""
PRINTED = [
    "6.0",
    "{'doubled': 8}",
    "area(): size (__main__.Size): Expected `object`, got `str`",
    "JobException",
]

LATER = """
import asyncio
import sys

from geartrain import AsyncClient, AsyncWorker

async def main():
    worker = AsyncWorker(sys.argv[1], max_jobs=1)

    @worker.function
    async def reverse(job):
        return job.workload[::-1]

    async with AsyncClient(sys.argv[1]) as client:
        running = asyncio.create_task(worker.run())
        print((await client.do("reverse", "abc")).decode())
        await running

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the source of Geartrain and mypy_extensions, and no other package."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [packages] = folder.glob("lib/python3*/site-packages")
    (packages / "mypy_extensions.py").write_text(Path(mypy_extensions.__file__).read_text())
    (packages / "geartrain.pth").write_text(f"{ROOT / 'src'}\n")
    return folder / "bin" / "python"


@pytest.mark.parametrize(("program", "printed"), [(WORK, PRINTED), (LATER, ["cba"])], ids=["blocking", "asyncio"])
def test_clients_and_workers_with_json_and_typed_functions_work_without_other_packages(
    bare_python: Path, program: str, printed: list[str]
) -> None:
    check = "import importlib.util\n"
    check += f"assert [name for name in {(*SERVER_LIBRARIES, 'msgspec')} if importlib.util.find_spec(name)] == []\n"
    with run_server() as server:
        done = subprocess.run(
            [bare_python, "-I", "-c", check + program, server.address],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert (done.returncode, done.stdout.splitlines()) == (0, printed), done.stderr


@pytest.mark.parametrize("program", [WORK, LATER], ids=["blocking", "asyncio"])
def test_a_client_or_a_worker_imports_no_library_of_the_server(program: str) -> None:
    """Compiled code reads and writes the packets of clients, too, with librt."""
    forbidden = [name for name in SERVER_LIBRARIES if not (IS_COMPILED and name == "librt")]
    check = f"\nprint([name for name in {forbidden} if name in sys.modules])\n"
    with run_server() as server:
        done = subprocess.run(
            [sys.executable, "-c", program + check, server.address],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )

    assert done.stdout.splitlines()[-1] == "[]"
