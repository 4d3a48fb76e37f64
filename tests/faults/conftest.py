# SPDX-License-Identifier: MIT
"""A proxy in front of a server of either kind, a short back-off, and the log."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from geartrain.testing import FaultProxy
from geartrain.transport import Backoff
from tests.job_servers import server
from tests.worker.shells import PATIENCE, shell

__all__ = ["QUICK", "Lines", "Names", "descriptors", "lines", "names", "proxy", "server", "shell"]

QUICK = Backoff(first=0.001, longest=0.005)  # workers come back at once


@pytest.fixture
def proxy(server: str) -> Iterator[FaultProxy]:
    """The way to the server."""
    with FaultProxy(server) as proxy:
        yield proxy


class Lines(logging.Handler):
    """What was logged, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._records: list[logging.LogRecord] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def of(self, level: int, part: str = "") -> list[str]:
        """Return the lines of a level that contain something."""
        return [r.getMessage() for r in self._records if r.levelno == level and part in r.getMessage()]

    def wait_for(self, count: int, level: int, part: str = "") -> None:
        """Return when there are so many of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(level, part)) >= count, PATIENCE), self._records


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log of clients and workers."""
    logger, lines = logging.getLogger("geartrain"), Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    yield lines
    logger.setLevel(level)
    logger.removeHandler(lines)


class Names:
    """Names of servers, and the addresses that they stand for at present."""

    def __init__(self, resolve: Callable[..., Any]) -> None:
        self._addresses: dict[str, str] = {}
        self._resolve = resolve
        self.asked = 0

    def __setitem__(self, name: str, address: str) -> None:
        self._addresses[name] = address

    def getaddrinfo(self, host: str | bytes, *arguments: Any, **options: Any) -> Any:
        """Stand in for the resolver of the system."""
        name = host.decode() if isinstance(host, bytes) else host
        self.asked += name in self._addresses
        return self._resolve(self._addresses.get(name, name), *arguments, **options)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """A resolver to be told what to say; uvloop has its own."""
    names = Names(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    return names


def descriptors() -> int:
    """Return how many this process has open."""
    return len(list(Path("/dev/fd").iterdir()))
