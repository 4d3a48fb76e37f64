# SPDX-License-Identifier: MIT
"""Processes that are stopped and continued: they keep their connections, and do not answer in between."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from geartrain import AdminClient, Client, ReplyTimeout
from geartrain.testing import ServerProcess
from tests.client.peers import RawWorker
from tests.client.shells import Shell, shell
from tests.waiting import wait_until

__all__ = ["shell"]

PATIENCE = 60.0
SOON = 0.2  # seconds; a timeout for a server that does not answer
FOREIGN = """\
import sys
from geartrain import Worker
worker = Worker(sys.argv[1])
worker.add_function("reverse", lambda job: job.workload[::-1])

@worker.function(timeout=1)
def hold(job):
    print("begun", flush=True)
    return sys.stdin.readline()

worker.run()
"""


@contextmanager
def stopped(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Stop a process during a block."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def worker_process(server: ServerProcess) -> Iterator["subprocess.Popen[str]"]:
    """Run a worker in a process of its own, and wait until it sleeps."""
    command = [sys.executable, "-c", FOREIGN, server.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            with Client(server.address) as client:
                assert client.do("reverse", "abc", timeout=PATIENCE) == b"cba"
            yield process
        finally:
            process.kill()


def wait_for(server: ServerProcess, happened: Callable[[AdminClient], bool]) -> None:
    """Query the server until a condition is true."""
    with AdminClient(server.address, timeout=PATIENCE) as admin:
        wait_until(lambda: happened(admin))


class TestAWorkerThatIsStopped:
    def test_while_it_sleeps_delays_a_job_by_the_re_arm_time_and_works_again(self) -> None:
        with (
            ServerProcess("--rearm-after=0.05") as server,
            worker_process(server) as process,
            Client(server.address) as client,
        ):
            with stopped(process), RawWorker(server.port):
                for _ in range(3):
                    assert client.do("reverse", "abc", timeout=PATIENCE) == b"cba"
            wait_for(server, lambda admin: [row.workers for row in admin.status() if row.function == "talk"] == [0])

            assert client.do("reverse", "abc", timeout=PATIENCE) == b"cba"

    def test_during_a_job_loses_it_to_another_and_its_late_result_is_harmless(self) -> None:
        with (
            ServerProcess("--rearm-after=0.05") as server,
            worker_process(server) as process,
            Client(server.address) as client,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            job = client.submit("hold")
            assert process.stdout.readline() == "begun\n"
            with stopped(process), RawWorker(server.port) as other:
                other.complete(other.held.get(timeout=PATIENCE), b"by the other")
                assert job.result(PATIENCE) == b"by the other"
            process.stdin.write("too late\n")
            process.stdin.flush()

            assert client.do("reverse", "abc", timeout=PATIENCE) == b"cba"


class TestAServerThatIsStopped:
    def test_delays_clients_up_to_their_timeouts_and_loses_nothing(self, shell: Shell) -> None:
        with ServerProcess() as server, RawWorker(server.port) as worker, shell.client(server.address) as client:
            held = client.submit("hold")
            handle = worker.held.get(timeout=PATIENCE)
            with stopped(server.process):
                with pytest.raises(ReplyTimeout):
                    client.submit_background("reverse", "abc", timeout=SOON)
                worker.complete(handle, b"said meanwhile")

            assert held.result(PATIENCE) == b"said meanwhile"
            assert client.do("reverse", "abc", timeout=PATIENCE) == b"cba"
            wait_for(server, lambda admin: not admin.jobs())
