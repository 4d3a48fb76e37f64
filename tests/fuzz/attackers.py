# SPDX-License-Identifier: MIT
"""Peers that a job server has to bear: each says one spoilt conversation, in its own way of sending and of ending."""

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
from tests.fuzz.mutations import LARGEST, encode, spoil, spoil_bytes
from tests.packets import Packets

__all__ = ["Attack", "Attacker", "Crowd", "Said"]

Said = list[bytes]  # what one connection has sent, piece by piece

_NO_HANDLE = b"H:nobody:0"
_MOMENT = 0.001  # seconds in which an answer may come, after which the rest is said anyhow
_PATIENCE = 20.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: end without a farewell
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
# Of a packet, of one that is as large as may be, of a line, of a TLS handshake.
_BEGINNINGS = (b"\0", b"\0REQ\0\0\0\x07", b"\0REQ\0\0\0\x07" + LARGEST.to_bytes(4, "big"), b"stat", b"\x16\x03\x01")
_WITH_HANDLE = frozenset({Command.JOB_CREATED, Command.JOB_ASSIGN, Command.JOB_ASSIGN_UNIQ, Command.JOB_ASSIGN_ALL})


class Attack(asyncio.Protocol):
    """One connection. What comes back has to be well-formed, whatever was asked.

    Attributes:
        handle: The last one that the server has named.
        is_over: Set at the end of the connection.
        fault: What the server has said that it must not.
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
        port: Where it listens on this machine.
        tls: How to speak with it, if not in clear text.

    Attributes:
        sent: How many packets, lines and other messages were sent.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._port = port
        self._tls = tls
        self._staying: list[Attack] = []
        self.sent = 0

    async def attack(self, chance: random.Random, said: Said) -> None:
        """Have one conversation, and note every byte of it before it is sent.

        Raises:
            AssertionError: The server has sent what no server may, or does not let go.
        """
        try:
            attack = await self._connect()
        except (ConnectionError, ssl.SSLError):
            return  # a server that others have just flooded may be slow to accept; the bystanders wait longer
        if chance.random() < 0.05:
            attack.transport.pause_reading()  # deaf from the beginning
        for data in spoilt_conversation(chance, lambda: attack.handle):
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

    async def repeat(self, said: Said) -> None:
        """Send once more what was sent before."""
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
        """End the connections that have stayed."""
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
        """Say nothing more: stay, leave with or without a farewell, or wait to be answered and let go."""
        way = chance.random()
        if way < 0.1 and not attack.transport.is_closing():
            self._staying.append(attack)
            return
        if way < 0.3 and attack.transport.can_write_eof() and attack.transport.is_reading():
            attack.transport.write_eof()
            await _within(_PATIENCE, attack.is_over.wait())
        elif way < 0.6 and attack.transport.is_reading():
            attack.transport.close()
        else:
            attack.transport.abort()
        with contextlib.suppress(TimeoutError):  # what it has written may wait for a server that does not read it
            await asyncio.wait_for(attack.is_over.wait(), 1.0)
        attack.transport.abort()


async def _within(seconds: float, end: Awaitable[object]) -> None:
    try:
        await asyncio.wait_for(end, seconds)
    except TimeoutError:
        raise AssertionError(f"who has said the last word is not let go within {seconds:g} s") from None


def spoilt_conversation(chance: random.Random, handle: Callable[[], bytes]) -> Iterator[bytes]:
    """Yield the messages of a conversation, some of which are spoilt.

    Args:
        handle: Tells the last handle that the server has named.
    """
    wildness = chance.choice((0.0, 0.1, 0.1, 0.3, 1.0))
    roughness = chance.choice((0.0, 0.0, 0.02, 0.1, 0.5))
    for message in conversation(chance):
        if message.is_sacred:
            yield encode(message, handle())
            continue
        while chance.random() < wildness / 2:
            message = spoil(message, chance)
        data = encode(message, handle())
        if chance.random() < roughness:
            data = spoil_bytes(data, chance)
        yield data


def _cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Return a message in one piece mostly, else in some, or byte by byte."""
    way = chance.random()
    if way < 0.8 or len(data) < 2:
        return [data]
    if way < 0.85 and len(data) < 200:
        return [data[place : place + 1] for place in range(len(data))]
    place = chance.randrange(1, len(data))
    return [data[:place], data[place:]]


class Crowd:
    """Connections that say nothing, or half a word, or a byte now and then, or leave at once.

    Args:
        port: Where the server listens.
        count: How many come.
        chance: Decides what each of them is like.
    """

    def __init__(self, port: int, count: int, chance: random.Random) -> None:
        self._chance = chance
        self._sockets: list[socket.socket] = []
        for _ in range(count):
            self._come(port)

    def drip(self) -> None:
        """Have each of those that are still there say one byte more of a packet that takes for ever."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):  # the server may have had enough of it
                sock.send(b"x")

    def leave(self) -> None:
        """End all that are still there."""
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    def _come(self, port: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        way = self._chance.random()
        with contextlib.suppress(OSError):  # it takes as long as it takes: nobody waits for it
            sock.connect(("127.0.0.1", port))
        with contextlib.suppress(OSError):
            if way < 0.3:  # gone before it was accepted, perhaps
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.close()
                return
            if way < 0.4:
                sock.shutdown(socket.SHUT_WR)
            elif way < 0.9:
                sock.send(self._chance.choice(_BEGINNINGS))
        self._sockets.append(sock)
