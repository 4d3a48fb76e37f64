# SPDX-License-Identifier: MIT
"""Leaks: memory while a server reads slowly, and objects and descriptors per reconnect."""

import contextlib
import gc
import logging
import os
import socket
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from geartrain import AsyncAssignedJob
from geartrain.protocol import REQUEST, Command, response
from geartrain.transport import Backoff
from geartrain.worker import Reason
from tests.packets import Packets
from tests.thoroughness import often
from tests.worker.shells import PATIENCE, PROCESSES, Notes, ShelledWorker

RECONNECTS = often(1_000, 10_000)

CHUNK = 64 * 1024
CHUNKS = 1024  # 64 MiB, far beyond all buffers on the way
# The worker's own bound, what it has just read from a job, and what the systems' buffers at both ends take.
BETWEEN = 12 * 1024 * 1024 // CHUNK


def test_a_job_that_streams_waits_for_a_slow_server(shell: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Notes() as notes:
        worker = ShelledWorker(shell, f"127.0.0.1:{listener.getsockname()[1]}", max_jobs=1, grace=0)

        @worker.function
        async def stream(job: AsyncAssignedJob) -> AsyncGenerator[bytes, None]:
            for _ in range(CHUNKS):
                notes.write(b"")
                yield bytes(CHUNK)

        thread = threading.Thread(target=worker.run)
        thread.start()
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        with connection:
            parser = Packets(REQUEST)
            made = taken = ahead = 0
            over = False
            while not over:
                for number, arguments in list(parser.receive(connection.recv(CHUNK))):
                    if number == Command.ECHO_REQ:
                        connection.sendall(response(Command.ECHO_RES, *arguments))
                    elif number == Command.GRAB_JOB_ALL:
                        connection.sendall(response(Command.JOB_ASSIGN_UNIQ, b"H:1", b"stream", b"", b""))
                    elif number == Command.WORK_DATA:
                        taken += 1
                        made += len(notes.read())
                        ahead = max(ahead, made - taken)
                    elif number == Command.WORK_COMPLETE:
                        over = True
        thread.join(PATIENCE)

        assert not thread.is_alive()
        assert taken == CHUNKS
        assert ahead <= BETWEEN


@contextlib.contextmanager
def hanging_up(count: int) -> Iterator[tuple[str, list[int], threading.Event]]:
    """A server that closes every connection, counts the descriptors and objects of this process, and says when."""
    measured: list[int] = []
    done = threading.Event()

    def serve() -> None:
        for number in range(count):
            connection, _ = listener.accept()
            connection.close()
            if number in (count // 10, count - 1):
                gc.collect()
                measured.extend((len(os.listdir("/proc/self/fd")), len(gc.get_objects())))  # noqa: PTH208
        done.set()

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", measured, done
        thread.join(PATIENCE)


async def unused(job: AsyncAssignedJob) -> bytes:
    raise AssertionError("the server assigns no job")


def test_many_reconnects_leave_nothing_behind(shell: str, caplog: pytest.LogCaptureFixture) -> None:
    if shell == PROCESSES:
        pytest.skip("its connections are those of the worker with threads")
    caplog.set_level(logging.INFO, "geartrain.worker")

    with hanging_up(RECONNECTS) as (address, measured, done):
        worker = ShelledWorker(shell, address, backoff=Backoff(first=0.0, longest=0.0))
        worker.add_function("f", unused)
        reasons: list[Reason] = []
        thread = threading.Thread(target=lambda: reasons.append(worker.run()))
        thread.start()
        assert done.wait(4 * PATIENCE)
        worker.stop()
        thread.join(PATIENCE)

    assert reasons == [Reason.STOPPED]
    descriptors, objects, descriptors_later, objects_later = measured
    assert descriptors_later <= descriptors + 10
    assert objects_later <= objects + RECONNECTS // 4
    # One line at the start, and one about all attempts.
    assert len([record for record in caplog.records if record.name == "geartrain.worker"]) == 2
