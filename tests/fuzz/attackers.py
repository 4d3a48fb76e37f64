# SPDX-License-Identifier: MIT
"""Hostile peers: each sends one mutated conversation, in random pieces, and ends in a random way."""

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

from geartrain.errors import RemoteProtocolError
from geartrain.protocol import RESPONSE, Command
from tests.fuzz.conversations import conversation
from tests.fuzz.mutations import LARGEST, encode, mutate, mutate_bytes
from tests.packets import Packets

__all__ = ["Attack", "Attacker", "IdleConnections", "Sent"]

Sent = list[bytes]  # the pieces that one connection has sent

_NO_HANDLE = b"H:unknown:0"
_MOMENT = 0.001  # seconds in which an answer may come, before the rest is sent anyhow
_TIMEOUT = 60.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
_FROM_SERVER = frozenset(
    {
        Command.NOOP,
        Command.JOB_CREATED,
        Command.NO_JOB,
        Command.JOB_ASSIGN,
        Command.JOB_ASSIGN_UNIQ,
        Command.JOB_ASSIGN_ALL,
        Command.WORK_STATUS,
        Command.WORK_COMPLETE,
        Command.WORK_FAIL,
        Command.WORK_EXCEPTION,
        Command.WORK_DATA,
        Command.WORK_WARNING,
        Command.ECHO_RES,
        Command.ERROR,
        Command.STATUS_RES,
        Command.STATUS_RES_UNIQUE,
        Command.OPTION_RES,
        Command.TEXT,
    }
)
# The start of a packet, of one of the largest size, of a line, of a TLS handshake.
_BEGINNINGS = (b"\0", b"\0REQ\0\0\0\x07", b"\0REQ\0\0\0\x07" + LARGEST.to_bytes(4, "big"), b"stat", b"\x16\x03\x01")
_WITH_HANDLE = frozenset({Command.JOB_CREATED, Command.JOB_ASSIGN, Command.JOB_ASSIGN_UNIQ, Command.JOB_ASSIGN_ALL})


class Attack(asyncio.Protocol):
    """One connection, which checks that the server's answers are valid.

    Attributes:
        handle: The last handle that the server has sent.
        is_over: Set at the end of the connection.
        fault: The invalid answer of the server, or empty.
    """

    def __init__(self) -> None:
        self.handle = _NO_HANDLE
        self.is_over = asyncio.Event()
        self.fault = ""
        self._answers = Packets(RESPONSE, max_line=2**26)
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for number, arguments in self._answers.receive(data):
                if number not in _FROM_SERVER:
                    self.fault = f"a server does not send {Command(number)!r} {arguments!r:.200}"
                elif number in _WITH_HANDLE:
                    self.handle = arguments[0]
        except RemoteProtocolError as error:
            self.fault = f"the server sends what is not Gearman: {error}"

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over.set()


class Attacker:
    """Attacks one server, one connection after the other.

    Args:
        port: The port of the server on this machine.
        tls: The TLS context, or None for clear text.

    Attributes:
        sent: Number of packets, lines and other messages that were sent.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._port = port
        self._tls = tls
        self._staying: list[Attack] = []
        self.sent = 0

    async def attack(self, chance: random.Random, said: Sent) -> None:
        """Send one conversation, and record every byte before it is sent.

        Raises:
            AssertionError: The server has sent an invalid answer, or has not closed the connection in time.
        """
        try:
            attack = await self._connect()
        except (ConnectionError, ssl.SSLError):
            return  # a server that others have just flooded may be slow to accept; the valid peers wait longer
        if chance.random() < 0.05:
            attack.transport.pause_reading()  # it never reads
        for data in mutated_conversation(chance, lambda: attack.handle):
            for piece in _cut(data, chance):
                if attack.transport.is_closing():
                    break
                said.append(piece)
                attack.transport.write(piece)
                await asyncio.sleep(_MOMENT if chance.random() < 0.2 else 0)
            if attack.transport.is_closing():
                break
            self.sent += 1
        await self._end(attack, chance)
        assert not attack.fault, attack.fault

    async def repeat(self, said: Sent) -> None:
        """Send the pieces of an earlier conversation again."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            attack = await self._connect()
            for piece in said:
                if attack.transport.is_closing():
                    break
                attack.transport.write(piece)
                await asyncio.sleep(_MOMENT)
            attack.transport.abort()
            await attack.is_over.wait()

    async def leave(self) -> None:
        """Close the connections that were left open."""
        staying, self._staying = self._staying, []
        for attack in staying:
            attack.transport.abort()
            await attack.is_over.wait()
            assert not attack.fault, attack.fault

    async def _connect(self) -> Attack:
        host = "localhost" if self._tls is not None else None
        _, attack = await asyncio.get_running_loop().create_connection(
            Attack, "127.0.0.1", self._port, ssl=self._tls, server_hostname=host
        )
        return attack

    async def _end(self, attack: Attack, chance: random.Random) -> None:
        """Stop sending: stay connected, close, reset, or shut down and wait for the server to close."""
        way = chance.random()
        if way < 0.1 and not attack.transport.is_closing():
            self._staying.append(attack)
            return
        if way < 0.3 and attack.transport.can_write_eof() and attack.transport.is_reading():
            attack.transport.write_eof()
            await _within(_TIMEOUT, attack.is_over.wait())
        elif way < 0.6 and attack.transport.is_reading():
            attack.transport.close()
        else:
            attack.transport.abort()
        try:
            await asyncio.wait_for(attack.is_over.wait(), 1.0)
        except TimeoutError:  # unsent data may wait for a server that does not read it
            attack.transport.abort()


async def _within(seconds: float, end: Awaitable[object]) -> None:
    try:
        await asyncio.wait_for(end, seconds)
    except TimeoutError:
        raise AssertionError(f"the server has not closed a finished connection within {seconds:g} s") from None


def mutated_conversation(chance: random.Random, handle: Callable[[], bytes]) -> Iterator[bytes]:
    """Yield the messages of a conversation, some of which are mutated.

    Args:
        chance: The random generator.
        handle: Returns the last handle that the server has sent.
    """
    wildness = chance.choice((0.0, 0.1, 0.1, 0.3, 1.0))
    roughness = chance.choice((0.0, 0.0, 0.02, 0.1, 0.5))
    for message in conversation(chance):
        if message.is_fixed:
            yield encode(message, handle())
            continue
        while chance.random() < wildness / 2:
            message = mutate(message, chance)
        data = encode(message, handle())
        if chance.random() < roughness:
            data = mutate_bytes(data, chance)
        yield data


def _cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Split a message: mostly into one piece, else into two, or into bytes."""
    way = chance.random()
    if way < 0.8 or len(data) < 2:
        return [data]
    if way < 0.85 and len(data) < 200:
        return [data[place : place + 1] for place in range(len(data))]
    place = chance.randrange(1, len(data))
    return [data[:place], data[place:]]


class IdleConnections:
    """Connections that send nothing, or part of a packet, or a byte now and then, or are reset at once.

    Args:
        port: The port of the server.
        count: Number of connections.
        chance: The random generator.
    """

    def __init__(self, port: int, count: int, chance: random.Random) -> None:
        self._chance = chance
        self._sockets: list[socket.socket] = []
        for _ in range(count):
            self._come(port)

    def drip(self) -> None:
        """Send one more byte on each open connection."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):  # the server may have closed it
                sock.send(b"x")

    def leave(self) -> None:
        """Close all connections."""
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    def _come(self, port: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        way = self._chance.random()
        with contextlib.suppress(OSError):  # the connection is made in the background
            sock.connect(("127.0.0.1", port))
        with contextlib.suppress(OSError):
            if way < 0.3:  # perhaps reset before it is accepted
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.close()
                return
            if way < 0.4:
                sock.shutdown(socket.SHUT_WR)
            elif way < 0.9:
                sock.send(self._chance.choice(_BEGINNINGS))
        self._sockets.append(sock)
