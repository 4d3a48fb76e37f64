# SPDX-License-Identifier: MIT
"""Exceptions from signal handlers in the blocking client: never a wrong answer, for any thread.

The call that is struck may have been sent. All others get their own results or `ConnectionLost` within `reply_timeout`,
a call after that works, and `close` leaves neither threads nor descriptors behind. ``make test THOROUGH=1`` strikes at
every point, otherwise at each third.
"""

import asyncio
import itertools
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from geartrain import AsyncClient, Client, ConnectionLost, NoServerAvailable, ReplyTimeout
from geartrain.protocol import Command, response
from tests.client.peers import PATIENCE, ScriptedServer, ServedClient
from tests.client.strikes import Strike, Striker
from tests.thoroughness import often
from tests.waiting import wait_until

_STEP = often(3, 1)  # points from one strike to the next
_LEAST = often(20, 60)  # strikes of each test; fewer mean that the points are not found any more
_LOST = (ConnectionLost, NoServerAvailable, ReplyTimeout)


def serve(peer: ServedClient) -> None:
    """Reverse every workload, and answer a question about a handle with the number in it."""
    for number in itertools.count(1):
        command, arguments = peer.packet()
        if command == Command.GET_STATUS:
            peer.send(Command.STATUS_RES, arguments[0], b"1", b"1", arguments[0].rpartition(b":")[2], b"0")
        else:
            handle = b"H:s:%d" % number
            created = response(Command.JOB_CREATED, handle)
            peer.send_bytes(created + response(Command.WORK_COMPLETE, handle, arguments[-1][::-1]))


class Neighbour:
    """A thread that shares the client, and checks every answer."""

    def __init__(self, client: Client) -> None:
        self.wrong: list[object] = []
        self.right = 0
        self._client = client
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Neighbour":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join(PATIENCE * 2)
        assert not self._thread.is_alive(), "a thread waits for ever"

    def _run(self) -> None:
        for number in itertools.count(1):
            if self._is_over.is_set():
                return
            workload = b"neighbour %d" % number
            try:
                result = self._client.do("reverse", workload, timeout=PATIENCE)
            except _LOST:
                continue
            except BaseException as error:  # noqa: BLE001 - reported by the test
                self.wrong.append(error)
                continue
            if result == workload[::-1]:
                self.right += 1
            else:
                self.wrong.append((workload, result))


class Calls:
    """Calls of a client, each with an answer of its own."""

    def __init__(self, client: Client) -> None:
        self.wrong: list[object] = []
        self._client = client
        self._numbers = itertools.count(1)

    def do(self) -> None:
        workload = b"do %d" % next(self._numbers)
        self._expect(lambda: self._client.do("reverse", workload, timeout=PATIENCE), workload[::-1])

    def do_unique(self) -> None:
        workload = b"unique %d" % next(self._numbers)
        self._expect(lambda: self._client.do("reverse", workload, unique=workload, timeout=PATIENCE), workload[::-1])

    def submit(self) -> None:
        workload = b"submit %d" % next(self._numbers)
        job = self._client.submit("reverse", workload)
        self._expect(lambda: job.result(PATIENCE), workload[::-1])

    def status(self) -> None:
        number = next(self._numbers)
        self._expect(lambda: self._client.status(f"H:s:{number}").numerator, number)

    def _expect(self, call: Callable[[], object], expected: object) -> None:
        try:
            answer = call()
        except _LOST:
            return
        if answer != expected:
            self.wrong.append((expected, answer))

    def check_one(self) -> None:
        """Check that a call works after some attempts, as the connection may have to be given up first."""
        wait_until(self._works)

    def _works(self) -> bool:
        try:
            result = self._client.do("reverse", b"after", timeout=PATIENCE)
        except _LOST:
            return False
        assert result == b"retfa"
        return True


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("name", ["do", "submit", "status"])
def test_at_every_point_of_a_call(name: str, *, twice: bool) -> None:
    total = 0
    with ScriptedServer(serve) as server, Client(server.address, reply_timeout=0.4) as client:
        calls = Calls(client)
        with Neighbour(client) as neighbour:
            for point in itertools.count(1, _STEP):
                striker = Striker(point, 1 + point % 5 if twice else 0)
                striker.call(getattr(calls, name))
                calls.check_one()
                assert calls.wrong == neighbour.wrong == []
                total += striker.strikes
                if not striker.strikes:
                    break
        assert neighbour.right > 0
    assert total >= _LEAST


@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_a_call_that_chooses_a_server(*, twice: bool) -> None:
    """By the score of a unique, with one of three servers down."""
    total = 0
    with (
        ScriptedServer(serve) as one,
        ScriptedServer(serve) as other,
        Client([one.address, "127.0.0.1:1", other.address], reply_timeout=0.4) as client,
    ):
        calls = Calls(client)
        for point in itertools.count(1, _STEP):
            striker = Striker(point, 1 + point % 5 if twice else 0)
            striker.call(calls.do_unique)
            calls.check_one()
            assert calls.wrong == []
            total += striker.strikes
            if not striker.strikes:
                break
    assert total >= _LEAST


@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_the_first_call(*, twice: bool) -> None:
    """The thread of the client and the connection are made by it."""
    total = 0
    with ScriptedServer(serve) as server:
        for point in itertools.count(1, _STEP):
            with Client(server.address, reply_timeout=0.4) as client:
                calls = Calls(client)
                striker = Striker(point, 1 + point % 5 if twice else 0)
                striker.call(calls.do)
                calls.check_one()
                assert calls.wrong == []
            total += striker.strikes
            if not striker.strikes:
                break
    assert total >= _LEAST


@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_closing(*, twice: bool) -> None:
    total = 0
    others = own_threads()  # of a client that other tests share
    with ScriptedServer(serve) as server:
        for point in itertools.count(1, _STEP):
            before = open_descriptors(server)
            client = Client(server.address, reply_timeout=0.4)
            Calls(client).check_one()
            striker = Striker(point, 1 + point % 5 if twice else 0)
            striker.call(client.close)
            started = threading.Thread(target=client.close)
            started.start()
            started.join(PATIENCE)
            assert not started.is_alive(), f"closing hangs after a strike at point {point}"
            assert own_threads() == others
            assert open_descriptors(server) <= before
            total += striker.strikes
            if not striker.strikes:
                break
    assert total >= _LEAST


def test_by_real_timers() -> None:
    """Strikes of the system's timer, at the points that it finds."""
    strikes = often(150, 5000)
    chance = random.Random(7)
    is_armed = False

    def strike(*_: object) -> None:
        nonlocal is_armed
        if is_armed:
            is_armed = False
            raise Strike

    previous = signal.signal(signal.SIGALRM, strike)
    try:
        with ScriptedServer(serve) as server, Client(server.address, reply_timeout=0.4) as client:
            calls = Calls(client)
            with Neighbour(client) as neighbour:
                done = 0
                while done < strikes:
                    try:
                        is_armed = True
                        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.001))
                        while is_armed:
                            chance.choice((calls.do, calls.submit, calls.status))()
                    except Strike:
                        done += 1
                    assert calls.wrong == neighbour.wrong == []
            calls.check_one()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def own_threads() -> list[threading.Thread]:
    """Return the threads of clients that run."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("geartrain")]


def open_descriptors(server: ScriptedServer) -> int:
    """Return the number of open descriptors, once the server has closed its side of those connections that ended."""
    wait_until(lambda: not server.open_connections())
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.filterwarnings(
    "ignore:.*never awaited:RuntimeWarning"
)  # a strike between making a coroutine and awaiting it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_at_every_point_of_a_run_of_an_event_loop() -> None:
    """The run that is struck has lost its connections; the next one gets right results or `ConnectionLost`."""
    total = 0
    number = itertools.count(1)
    wrong: list[object] = []

    async def run() -> None:
        for _ in range(2):
            workload = b"task %d" % next(number)
            try:
                result = await asyncio.wait_for(client.do("reverse", workload), PATIENCE)
            except _LOST:
                continue
            if result != workload[::-1]:
                wrong.append((workload, result))

    with ScriptedServer(serve) as server:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # of strikes in callbacks
        client = AsyncClient(server.address, reply_timeout=0.4)
        loop.run_until_complete(run())
        for point in itertools.count(1, _STEP):
            striker = Striker(point, within="geartrain")  # the loop's own code does not survive it
            task = loop.create_task(asyncio.wait_for(run(), PATIENCE))
            striker.call(lambda task=task: loop.run_until_complete(task))  # type: ignore[misc]
            total += striker.strikes
            _, waiting = loop.run_until_complete(asyncio.wait([task, loop.create_task(run())], timeout=PATIENCE))
            assert not waiting, f"a task waits for ever after a strike at point {point}"
            if not task.cancelled():
                task.exception()  # a strike, perhaps
            assert wrong == []
            if not striker.strikes:
                break
        loop.run_until_complete(client.close())
        loop.close()
    assert total >= _LEAST
