# SPDX-License-Identifier: MIT
"""Sockets that listen, for all endpoints of the options or for none."""

import asyncio
import contextlib
import errno
import grp
import logging
import os
import re
import socket
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geartrain.errors import GeartrainError
from geartrain.server.config.kinds import SECONDS, Kind, number
from geartrain.server.config.option import Group, option, several
from geartrain.server.listen.endpoints import Endpoint
from geartrain.wording import counted

__all__ = ["BindError", "ListenOptions", "bind", "close", "listen", "release"]

log = logging.getLogger("geartrain.server")

_ALL_ADDRESSES = (Endpoint(),)
_FIRST_PAUSE = 0.05  # seconds between two attempts, doubled each time
_LONGEST_PAUSE = 1.0
# This machine has no address of this kind; it may have another one of the same name.
_ABSENT = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


# The end of an error, by its number.
_HINTS = {
    errno.EADDRINUSE: "; another server may be running there, and --port or --listen choose another address",
    errno.EACCES: "; ports below 1024 and folders of others need the rights of root, see --user",
}


class BindError(GeartrainError):
    """An address cannot be listened on; the message says which and why."""


def _port(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= 65535:
        return int(text)
    try:
        return socket.getservbyname(text, "tcp")
    except OSError:
        raise ValueError("a number up to 65535 or the name of a service") from None


def _mode(text: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise ValueError("three octal digits such as 660")
    return int(text, 8)


def _group(text: str) -> str:
    try:
        grp.getgrnam(text)
    except (KeyError, ValueError):
        raise ValueError("a group of this machine") from None
    return text


@dataclass(frozen=True, kw_only=True)
class ListenOptions:
    """Addresses to listen on."""

    port: int = option(
        4730,
        Kind("PORT", _port, (int, str)),
        Group.NETWORK,
        "port to listen on: a number, a service name, or 0 for any free port",
        short="p",
        details="Ports below 1024 need root; with --user, the server gives up root's rights afterwards. With 0, the "
        "log names the port, and the server uses no store unless --store names one.",
        example="4731",
    )
    listen: tuple[Endpoint, ...] = several(
        Kind("ADDRESS", Endpoint.parse),
        Group.NETWORK,
        "address to listen on: a host, host:port, [address]:port or unix:/path; may be repeated",
        short="L",
        details="A host name stands for all its addresses. An IPv6 address with a port needs brackets. Sockets that "
        "systemd passes to the process replace this option.",
        example="127.0.0.1",
        default_text="all addresses",
    )
    socket_mode: int | None = option(
        None,
        Kind("MODE", _mode),
        Group.NETWORK,
        "permissions of unix: sockets, in octal",
        details="A program that connects needs the permission to write: 660 allows the user and the group of the "
        "socket, 666 all users. For sockets that systemd passes to the process, set the permissions in the systemd "
        "unit.",
        example="660",
        default_text="set by the umask",
    )
    socket_group: str | None = option(
        None,
        Kind("GROUP", _group),
        Group.NETWORK,
        "group of unix: sockets",
        details="The server has to run as root or to be in the group. With --user, the sockets belong to the user that "
        "started the server.",
        example="www-data",
        default_text="the group of the process",
    )
    backlog: int = option(
        1024,
        number(1, 65535),
        Group.NETWORK,
        "number of new connections that may wait until the server accepts them",
        short="b",
        details="The system refuses further connections. On Linux, the number is at most net.core.somaxconn.",
        example="4096",
    )
    # A predecessor that has just been told to stop holds the port for up to two seconds. Any other program keeps it,
    # and should be reported soon.
    bind_timeout: float = option(
        3.0,
        SECONDS,
        Group.NETWORK,
        "seconds to wait at the start while the port is in use",
        details="During a restart, the port is in use until the old server has stopped.",
        example="10",
    )


async def listen(options: ListenOptions) -> list[socket.socket]:
    """Return sockets that listen on all endpoints. Connections made from now on wait to be accepted.

    With port 0, all endpoints without a port of their own get the port that the first one was given.

    Raises:
        BindError: An address cannot be used, or was not free in time.
    """
    sockets: list[socket.socket] = []
    port = options.port
    try:
        for endpoint in options.listen or _ALL_ADDRESSES:
            found = await _listen_in_time(endpoint, port, options)
            sockets += found
            if not endpoint.path and endpoint.port is None:
                port = found[0].getsockname()[1]
    except BaseException:
        release(sockets)
        raise
    return sockets


async def _listen_in_time(endpoint: Endpoint, port: int, options: ListenOptions) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + options.bind_timeout
    pause = _FIRST_PAUSE
    name = str(endpoint) if endpoint.path or endpoint.port is not None else f"{endpoint}, port {port}"
    while True:
        try:
            return _bind_and_listen(endpoint, port, options)
        except UnicodeError as error:
            raise BindError(f"Could not listen on {name}: this is not a valid host name") from error
        except OSError as error:
            reason = error.strerror or error
            if error.errno != errno.EADDRINUSE or loop.time() >= deadline:
                raise BindError(f"Could not listen on {name}: {reason}{_HINTS.get(error.errno or 0, '')}") from error
        if pause == _FIRST_PAUSE:
            log.warning("%s is in use; trying again for %s", name, counted(options.bind_timeout, "second"))
        await asyncio.sleep(min(pause, max(0.0, deadline - loop.time())))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _bind_and_listen(endpoint: Endpoint, port: int, options: ListenOptions) -> list[socket.socket]:
    sockets = bind(endpoint, port)
    try:
        if endpoint.path:
            _restrict(endpoint.path, options)  # first: there are no connections to a socket that does not listen
        for bound in sockets:
            bound.listen(options.backlog)
    except BaseException:
        release(sockets)
        raise
    return sockets


def _restrict(path: str, options: ListenOptions) -> None:
    """Set the group and the permissions of a socket in the file system."""
    try:
        if options.socket_group is not None:
            os.chown(path, -1, grp.getgrnam(options.socket_group).gr_gid, follow_symlinks=False)
        if options.socket_mode is not None:
            Path(path).chmod(options.socket_mode)
    except OSError as error:
        raise BindError(f"Could not set the group or the mode of {path}: {error.strerror}") from error


def bind(
    endpoint: Endpoint, default_port: int, *, resolve: Callable[..., Sequence[tuple[Any, ...]]] = socket.getaddrinfo
) -> list[socket.socket]:
    """Return bound sockets, one for each address of the endpoint. They do not listen yet.

    Addresses of one name that this machine does not have, such as those of IPv6 where it is switched off, are left out
    as long as there is another. With port 0 all of them get the port that the first one was given.

    Args:
        endpoint: The addresses.
        default_port: The port of an endpoint that has none.
        resolve: Looks up the addresses of a name, as ``socket.getaddrinfo`` does.

    Raises:
        OSError: None of them, or one that is in use, could be bound.
    """
    if endpoint.path:
        return [_bind_path(endpoint.path)]
    port = default_port if endpoint.port is None else endpoint.port
    found = resolve(endpoint.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, address in sorted({(family, address) for family, _, _, _, address in found}):
            try:
                bound = _bind_address(family, (address[0], port, *address[2:]))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
                continue
            undo.callback(bound.close)
            sockets.append(bound)
            port = bound.getsockname()[1]
        if not sockets:
            assert absent is not None, "a name has at least one address"
            raise absent
        undo.pop_all()
    return sockets


def _bind_address(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _bind_path(path: str) -> socket.socket:
    """Bind a socket in the file system, in place of one that a server has left behind."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_abandoned(path):
            Path(path).unlink()
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    return bound


def _is_abandoned(path: str) -> bool:
    """Tell whether the path is a socket on which no process listens. A file of another kind is left alone."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener whose backlog is full is alive, and would block the connect
        return probe.connect_ex(path) == errno.ECONNREFUSED


def close(sockets: Iterable[socket.socket]) -> None:
    """Close sockets, and leave those in the file system to the process that made them."""
    for bound in sockets:
        bound.close()


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
        # After a change of user. The next server replaces it, because no process listens on it.
        log.warning("Could not remove %s: %s", path, error.strerror)
