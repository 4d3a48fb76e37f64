# SPDX-License-Identifier: MIT
"""Connecting to an address with asyncio: the twin of `geartrain.transport.sockets`."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from geartrain.errors import NoServerAvailable
from geartrain.transport.address import ServerAddress
from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE, LEAST_SHARE, reason, tune

__all__ = ["connect", "open_streams"]

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

# One result of the resolver.
Found: TypeAlias = tuple[int, int, int, str, tuple[object, ...]]


async def connect(
    factory: Callable[[], ProtocolT],
    address: ServerAddress,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = CONNECT_TIMEOUT,  # as in the blocking twin
    keepalive: float | None = KEEPALIVE,
) -> tuple[asyncio.Transport, ProtocolT]:
    """Return a connected transport and its protocol; otherwise as `geartrain.transport.connect`.

    Args:
        factory: Makes the protocol.
        address: The server.
        tls: Encrypts the connection.
        timeout: Seconds for everything, the resolver included.
        keepalive: See `geartrain.transport.tune`.

    Raises:
        NoServerAvailable: The server could not be reached; the message says why.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            if address.path:
                return await loop.create_unix_connection(factory, address.path)
            deadline = loop.time() + timeout
            if address.tls and tls is None:
                tls = await loop.run_in_executor(None, ssl.create_default_context)  # which reads files
            sock = await _connect_any(address, deadline)
            try:
                tune(sock, keepalive)
                return await loop.create_connection(
                    factory, sock=sock, ssl=tls, server_hostname=address.host if tls is not None else None
                )
            except BaseException:
                sock.close()
                raise
    except (OSError, UnicodeError) as error:
        raise NoServerAvailable(f"{address}: {reason(error)}") from error


async def open_streams(
    address: ServerAddress,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = CONNECT_TIMEOUT,
    keepalive: float | None = KEEPALIVE,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection's two streams; see `connect`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    transport, protocol = await connect(
        lambda: asyncio.StreamReaderProtocol(reader, loop=loop), address, tls=tls, timeout=timeout, keepalive=keepalive
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _resolve(address: ServerAddress) -> Sequence[Found]:
    try:
        # Numeric addresses need no resolver, and so no thread that waits for it.
        return socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)


async def _connect_any(address: ServerAddress, deadline: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await _resolve(address)
    failure: OSError = OSError("the name has no address")
    for tried, (family, kind, protocol, _, where) in enumerate(found):
        share = (deadline - loop.time()) / (len(found) - tried)
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # such as IPv6 on a machine without it
            failure = error
            continue
        try:
            sock.setblocking(False)
            async with asyncio.timeout(max(share, LEAST_SHARE)):
                await loop.sock_connect(sock, where)
            return sock
        except OSError as error:
            # asyncio's message has the address instead of the reason.
            failure = OSError(error.errno, os.strerror(error.errno)) if error.errno else error
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise failure
