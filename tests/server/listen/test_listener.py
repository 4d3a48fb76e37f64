# SPDX-License-Identifier: MIT
"""Accepting connections when descriptors are used up."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from geartrain.server.listen.listener import Listener


class Exhausted:
    """A listening socket whose next accepts fail."""

    def __init__(self, real: socket.socket, failures: int) -> None:
        self._real = real
        self._failures = failures
        self.attempts = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.attempts += 1
        if self._failures:
            self._failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()

    def setblocking(self, flag: bool) -> None:
        self._real.setblocking(flag)

    def fileno(self) -> int:
        return self._real.fileno()

    def getsockname(self) -> object:
        return self._real.getsockname()


def test_without_descriptors_it_waits_instead_of_spinning_and_logs_once(caplog: pytest.LogCaptureFixture) -> None:
    async def conversation() -> int:
        with socket.create_server(("127.0.0.1", 0)) as real:
            exhausted = Exhausted(real, failures=3)
            accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
            listener = Listener(
                exhausted,  # type: ignore[arg-type]  # as much of a socket as it needs
                lambda connection, address: accepted.set_result(connection),
                lambda connection, address: accepted.set_result(connection),
                pause=0.001,
            )
            with socket.create_connection(real.getsockname()):
                (await accepted).close()
            listener.stop()
            return exhausted.attempts

    attempts = asyncio.run(conversation())

    assert attempts <= 5  # three that failed, one that did not, and perhaps one more
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 1
    assert "Too many open files" in lines[0]


def test_waiting_connections_are_accepted_with_the_reserve_descriptor() -> None:
    kept = [True, True, False, False, True]  # the result of each attempt to open a reserve

    def open_reserve() -> int | None:
        return os.dup(0) if kept.pop(0) else None

    async def conversation() -> list[str]:
        ways: asyncio.Queue[str] = asyncio.Queue()

        def accept(way: str) -> Callable[[socket.socket, object], None]:
            def note(connection: socket.socket, address: object) -> None:
                connection.close()
                ways.put_nowait(way)

            return note

        with socket.create_server(("127.0.0.1", 0)) as real, ExitStack() as peers:
            for _ in range(3):
                peers.enter_context(socket.create_connection(real.getsockname()))
            exhausted = Exhausted(real, failures=1)
            listener = Listener(
                exhausted,  # type: ignore[arg-type]  # as above
                accept("plain"),
                accept("last"),
                pause=0.001,
                reserve=open_reserve,
            )
            found = [await asyncio.wait_for(ways.get(), 20) for _ in range(3)]
            listener.stop()
            return found

    # Two are accepted with the reserve; the third one waits until there is one again.
    assert asyncio.run(conversation()) == ["last", "last", "plain"]
    assert not kept
