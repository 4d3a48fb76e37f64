# SPDX-License-Identifier: MIT
"""Accepting connections when there is no room for more."""

import asyncio
import errno
import logging
import socket

import pytest

from geartrain.server.listener import Listener


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


def test_without_descriptors_it_waits_instead_of_spinning_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("geartrain.server.listener._PAUSE", 0.001)

    async def conversation() -> int:
        with socket.create_server(("127.0.0.1", 0)) as real:
            exhausted = Exhausted(real, failures=3)
            accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
            listener = Listener(
                exhausted,  # type: ignore[arg-type]  # as much of a socket as it needs
                lambda connection, address: accepted.set_result(connection),
            )
            with socket.create_connection(real.getsockname()):
                (await accepted).close()
            listener.stop()
            return exhausted.attempts

    attempts = asyncio.run(conversation())

    assert attempts <= 5  # three that failed, one that did not, and perhaps a look for another one
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 1
    assert "Too many open files" in lines[0]
