# SPDX-License-Identifier: MIT
"""The log of a worker in a program that sets up no logging, and in one that does."""

import asyncio
import re
import subprocess
import sys

import pytest

from geartrain import AsyncWorker, Worker
from geartrain.testing import run_server
from tests.job_servers import free_port

BLOCKING = """
import logging, sys
from geartrain import Worker

worker = Worker(sys.argv[1])
worker.add_function("reverse", lambda job: job.workload[::-1])
worker.add_function("echo", lambda job: job.workload)
worker.run(burst=True)
"""
LATER = """
import asyncio, logging, sys
from geartrain import AsyncWorker

async def reverse(job): ...

worker = AsyncWorker(sys.argv[1])
worker.add_function("reverse", reverse)
worker.add_function("echo", reverse)
asyncio.run(worker.run(burst=True))
"""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def stderr_of(program: str, address: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, address], capture_output=True, text=True, check=False, timeout=120
    )
    return done.stderr.splitlines()


@pytest.mark.parametrize("program", [BLOCKING, LATER], ids=["blocking", "asyncio"])
def test_a_worker_prints_one_line_at_its_start(program: str) -> None:
    with run_server() as server:
        lines = stderr_of(program, server.address)

    assert len(lines) == 1
    assert re.fullmatch(
        rf"{TIME} INFO worker started with pid \d+, servers {re.escape(server.address)}, functions reverse, echo",
        lines[0],
    )


def test_an_outage_is_a_line_with_time_and_level() -> None:
    address = f"127.0.0.1:{free_port()}"

    _, outage, *_ = stderr_of(BLOCKING, address)

    assert re.fullmatch(rf"{TIME} WARNING {address}: .*; trying again until it is back", outage)


def test_a_program_that_sets_up_logging_has_its_own_lines() -> None:
    program = BLOCKING.replace("worker = ", 'logging.basicConfig(format="mine: %(message)s")\nworker = ')
    with run_server() as server:
        assert stderr_of(program, server.address) == []
        program = program.replace("basicConfig(", "basicConfig(level=logging.INFO, ")
        [line] = stderr_of(program, server.address)

    assert line.startswith("mine: worker started with pid ")


def test_a_worker_without_functions_is_an_error() -> None:
    message = r"has no functions, .*; add one with @worker\.function"
    with pytest.raises(RuntimeError, match=message):
        Worker("127.0.0.1:1").run()
    with pytest.raises(RuntimeError, match=message):
        asyncio.run(AsyncWorker("127.0.0.1:1").run())
