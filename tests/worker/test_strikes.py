# SPDX-License-Identifier: MIT
"""Exceptions from signal handlers in a worker: the run ends, its sockets close, and no job gets a wrong result.

``make test THOROUGH=1`` strikes at every point, otherwise at each third.
"""

import asyncio
import contextlib
import itertools
import random
import signal
import socket
import threading
from pathlib import Path

import pytest

from geartrain import AssignedJob, AsyncAssignedJob, AsyncWorker, ConnectionLost, Worker
from geartrain.protocol import REQUEST, Command, response
from geartrain.worker import Reason
from tests.client.strikes import Strike, Striker
from tests.packets import Packets
from tests.thoroughness import often
from tests.waiting import wait_until
from tests.worker.shells import PATIENCE

_STEP = often(3, 1)  # points from one strike to the next
_LEAST = often(20, 60)  # strikes of each test; fewer mean that the points are not found any more


class CheckingServer:
    """A server that has a job for every grab, and checks each result.

    Attributes:
        wrong: The packets that no worker should send.
        right: The number of right results.
    """

    def __init__(self) -> None:
        self.wrong: list[object] = []
        self.right = 0
        self._numbers = itertools.count(1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> "CheckingServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a worker's connection is still open"

    @property
    def open_connections(self) -> int:
        """The number of connections that the worker has not closed."""
        self._threads = [self._threads[0], *(thread for thread in self._threads[1:] if thread.is_alive())]
        return len(self._threads) - 1

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed
            thread = threading.Thread(target=self._serve, args=(sock,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, sock: socket.socket) -> None:
        packets = Packets(REQUEST)
        assigned: dict[bytes, bytes] = {}
        with sock:
            while True:
                try:
                    data = sock.recv(65536)
                except ConnectionError:
                    return
                if not data:
                    return
                try:
                    for command, arguments in packets.receive(data):
                        answer = self._answer(command, arguments, assigned)
                        if answer:
                            sock.sendall(answer)
                except ConnectionError:
                    return
                except Exception as error:  # noqa: BLE001 - reported by the test
                    self.wrong.append(error)
                    return

    def _answer(self, command: int, arguments: list[bytes], assigned: dict[bytes, bytes]) -> bytes:
        if command == Command.ECHO_REQ:
            return response(Command.ECHO_RES, *arguments)
        if command == Command.GRAB_JOB_ALL:
            number = next(self._numbers)
            handle = b"H:s:%d" % number
            assigned[handle] = workload = b"workload %d " % number * (1 + number % 7)
            return response(Command.JOB_ASSIGN_ALL, handle, b"reverse", b"", b"", workload)
        if command == Command.WORK_COMPLETE:
            handle, result = arguments
            if assigned.pop(handle, b"")[::-1] == result:
                self.right += 1
            else:
                self.wrong.append((handle, result))
        elif command == Command.WORK_EXCEPTION and arguments[0] not in assigned:
            self.wrong.append((command, arguments))
        return b""


def reverse(job: AssignedJob) -> bytes:
    return job.workload[::-1]


def is_left_alone(server: CheckingServer, descriptors: int) -> bool:
    """Return True if a worker in this process has left nothing open."""
    if server.open_connections or any(thread.name.startswith("geartrain") for thread in threading.enumerate()):
        return False
    return len(list(Path("/dev/fd").iterdir())) <= descriptors


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # strikes in weak references' callbacks
@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_a_run(concurrency: int, *, twice: bool) -> None:
    """The same worker can run again."""
    total = 0
    with CheckingServer() as server:
        worker = Worker(server.address, max_jobs=5, concurrency=concurrency)
        worker.add_function("reverse", reverse)
        worker.run()
        descriptors = len(list(Path("/dev/fd").iterdir()))
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        for point in itertools.count(1, _STEP):
            striker = Striker(point, 1 + point % 5 if twice else 0, within="geartrain" if twice else "")
            striker.call(worker.run)
            wait_until(lambda: is_left_alone(server, descriptors))
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
            assert worker.run() is Reason.MAX_JOBS
            assert server.wrong == []
            total += striker.strikes
            if not striker.strikes:
                break
        assert server.right > 0
    assert total >= _LEAST


@pytest.mark.parametrize("concurrency", [1, 3])
def test_by_real_timers(concurrency: int) -> None:
    """Strikes of the system's timer, most of them while jobs are done."""
    runs = often(60, 2000)
    chance = random.Random(7)

    def strike(*_: object) -> None:
        raise Strike

    previous = signal.signal(signal.SIGALRM, strike)
    try:
        with CheckingServer() as server:
            worker = Worker(server.address, concurrency=concurrency)
            worker.add_function("reverse", reverse)
            descriptors = len(list(Path("/dev/fd").iterdir())) + 1
            for _ in range(runs):
                try:
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.001, 0.02))
                    worker.run()
                except Strike:
                    pass
                wait_until(lambda: is_left_alone(server, descriptors))
                assert server.wrong == []
            assert server.right > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


async def reverse_soon(job: AsyncAssignedJob) -> bytes:
    await asyncio.sleep(0)
    return job.workload[::-1]


@pytest.mark.filterwarnings("ignore:.*never awaited:RuntimeWarning")  # a strike between making and awaiting one
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("goes_on", [False, True])
def test_at_every_point_of_a_run_of_an_event_loop(*, goes_on: bool) -> None:
    """The run ends when its loop does, as after ``asyncio.run``, and also if the loop goes on."""
    total = 0
    with CheckingServer() as server:
        for point in itertools.count(1, often(7, 1)):
            worker = AsyncWorker(server.address, max_jobs=3, concurrency=2, reply_timeout=1.0)
            worker.add_function("reverse", reverse_soon)
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda *_: None)  # of strikes in callbacks
            task = loop.create_task(worker.run())
            striker = Striker(point, within="geartrain")  # the loop's own code does not survive it
            with contextlib.suppress(ConnectionLost):  # a strike in a callback, which the loop does not pass on
                striker.call(lambda loop=loop, task=task: loop.run_until_complete(task))  # type: ignore[misc]
            total += striker.strikes
            if not goes_on:
                task.cancel()
            _, waiting = loop.run_until_complete(asyncio.wait([task], timeout=PATIENCE))
            assert not waiting, f"the run does not end after a strike at point {point}"
            _end(loop)
            wait_until(lambda: not server.open_connections)
            assert server.wrong == []
            if not striker.strikes:
                break
        assert server.right > 0
    assert total >= _LEAST


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left in a loop, as ``asyncio.run`` does, and close it."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=PATIENCE))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
