# SPDX-License-Identifier: MIT
"""All the sockets of a server, or none of them."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterable
from pathlib import Path

from geartrain.errors import GeartrainError
from geartrain.server.config.options import ServerOptions
from geartrain.server.endpoints import Endpoint, bind

__all__ = ["BindError", "listen", "release"]

log = logging.getLogger("geartrain.server")

_EVERYWHERE = (Endpoint(),)
_FIRST_PAUSE = 0.05  # seconds between two attempts, doubled each time
_LONGEST_PAUSE = 1.0


class BindError(GeartrainError):
    """An address cannot be listened on; the message says which and why."""


async def listen(options: ServerOptions) -> list[socket.socket]:
    """Return sockets that listen on all that the options name. Who connects now waits to be accepted.

    With port 0, all endpoints without a port of their own get the port that the first one was given.

    Raises:
        BindError: One of them could not be had, and was not free in time.
    """
    sockets: list[socket.socket] = []
    port = options.port
    try:
        for endpoint in options.listen or _EVERYWHERE:
            found = await _bind_in_time(endpoint, port, options)
            sockets += found
            if not endpoint.path and endpoint.port is None:
                port = found[0].getsockname()[1]
    except BaseException:
        release(sockets)
        raise
    return sockets


async def _bind_in_time(endpoint: Endpoint, port: int, options: ServerOptions) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + options.bind_timeout
    pause = _FIRST_PAUSE
    name = str(endpoint) if endpoint.path or endpoint.port is not None else f"{endpoint}, port {port}"
    while True:
        try:
            return _bind_and_listen(endpoint, port, options.backlog)
        except UnicodeError as error:
            raise BindError(f"Could not listen on {name}: that is no name of a host") from error
        except OSError as error:
            reason = error.strerror or error
            if error.errno != errno.EADDRINUSE or loop.time() >= give_up:
                raise BindError(f"Could not listen on {name}: {reason}") from error
        if pause == _FIRST_PAUSE:
            log.warning("%s is in use; trying again for %g seconds", name, options.bind_timeout)
        await asyncio.sleep(min(pause, max(0.0, give_up - loop.time())))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _bind_and_listen(endpoint: Endpoint, port: int, backlog: int) -> list[socket.socket]:
    sockets = bind(endpoint, port)
    try:
        for bound in sockets:
            bound.listen(backlog)
    except OSError:
        release(sockets)
        raise
    return sockets


def release(sockets: Iterable[socket.socket]) -> None:
    """Close sockets, and remove those that are in the file system."""
    for bound in sockets:
        path = bound.getsockname() if bound.family == socket.AF_UNIX else None
        bound.close()
        if path:
            with contextlib.suppress(FileNotFoundError):
                _remove(path)


def _remove(path: str) -> None:
    try:
        Path(path).unlink()
    except PermissionError as error:
        # After a change of user. The next server replaces it, because nobody listens on it.
        log.warning("Could not remove %s: %s", path, error.strerror)
