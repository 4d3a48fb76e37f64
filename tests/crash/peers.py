# SPDX-License-Identifier: MIT
"""Clients and workers of a crash test. They keep its books, and end when their server does."""

import asyncio
import random
from collections.abc import Callable, Sequence

from geartrain import Priority
from geartrain.protocol import RESPONSE, Command, request
from tests.crash.books import RECEIPT, WORK, Books, Entry, number_of
from tests.packets import Packets

__all__ = ["Peer", "Refused", "recover", "submit", "work"]

_SUBMIT = {
    Priority.HIGH: Command.SUBMIT_JOB_HIGH_BG,
    Priority.NORMAL: Command.SUBMIT_JOB_BG,
    Priority.LOW: Command.SUBMIT_JOB_LOW_BG,
}
_NEVER = b"%d" % 2**40  # seconds since 1970
_AT_ONCE = 50  # jobs that a recovering worker asks for together
_BEFORE_ANOTHER_TRY = 0.02  # seconds
PATIENCE = 60.0


class Refused(Exception):
    """The store does not take a job, which is wrong unless it has been killed."""


class Peer:
    """A connection that reads what it is sent, one packet after the other.

    Args:
        books: Records all that it does with its jobs.
        answered: Called for each answer to a submission.
    """

    def __init__(self, books: Books, answered: Callable[[], None] = lambda: None) -> None:
        self.books = books
        self._answered = answered
        self._packets = Packets(RESPONSE)
        self._unsent = b""
        self._pending: list[tuple[Command, list[bytes]]] = []
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self, port: int) -> None:
        """Connect to a server of this machine."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)

    def send(self, command: Command, *arguments: bytes) -> None:
        """Send a packet with the next question, behind the others."""
        self._unsent += request(command, *arguments)

    async def packet(self) -> tuple[Command, list[bytes]]:
        """Return the next packet.

        Raises:
            ConnectionError: The server has ended.
        """
        if self._unsent:
            self._writer.write(self._unsent)
            self._unsent = b""
            await self._writer.drain()
        while not self._pending:
            data = await asyncio.wait_for(self._reader.read(65536), PATIENCE)
            if not data:
                raise ConnectionResetError("the server has ended")
            self._pending = [(Command(command), arguments) for command, arguments in self._packets.receive(data)]
        return self._pending.pop(0)

    def submit(self, entry: Entry) -> None:
        """Send a submission."""
        if entry.is_for_later:
            self.send(Command.SUBMIT_JOB_EPOCH, entry.function, entry.unique, _NEVER, entry.workload)
        else:
            self.send(_SUBMIT[entry.priority], entry.function, entry.unique, entry.workload)

    async def is_promised(self, entry: Entry) -> bool:
        """Read the answer to a submission, and tell whether it is a promise."""
        command, arguments = await self.packet()
        self._answered()
        if command is Command.JOB_CREATED:
            self.books.promise(entry, arguments[0])
            return True
        assert command is Command.ERROR, f"{entry} was answered by {command.name}"
        assert arguments[0] == b"QUEUE_ERROR", arguments
        return False

    def finish(self, handle: bytes, entry: Entry) -> None:
        """Say the last word for a job."""
        entry.is_done = True
        self.send(Command.WORK_COMPLETE, handle, b"")

    def close(self) -> None:
        """End at once."""
        self._writer.transport.abort()


async def submit(peer: Peer, chance: random.Random) -> None:
    """Submit jobs until the server ends, some together and some on their own."""
    while True:
        entries = [peer.books.ask() for _ in range(chance.choice((1, 1, 5, 40)))]
        for entry in entries:
            peer.submit(entry)
        last = 0
        for entry in entries:
            if await peer.is_promised(entry):
                assert number_of(entry.handle) > last, f"{entry} was taken before one that was submitted earlier"
                last = number_of(entry.handle)
            else:
                await asyncio.sleep(_BEFORE_ANOTHER_TRY)  # as a client that was refused does before it tries again


async def work(peer: Peer, chance: random.Random) -> None:
    """Do jobs until the server ends, and have their ends settled now and then."""
    peer.send(Command.CAN_DO, WORK)
    unsettled: list[Entry] = []
    while True:
        peer.send(Command.GRAB_JOB_UNIQ)
        command, arguments = await peer.packet()
        if command is Command.NO_JOB:
            peer.send(Command.PRE_SLEEP)
            command, _ = await peer.packet()
            assert command is Command.NOOP, command
            continue
        assert command is Command.JOB_ASSIGN_UNIQ, command
        entry = peer.books.assign(*_four(arguments))
        peer.finish(arguments[0], entry)
        unsettled.append(entry)
        if chance.random() < 0.2:
            receipt = peer.books.ask_to_settle(unsettled)
            peer.submit(receipt)
            if await peer.is_promised(receipt):
                unsettled = []


async def recover(peer: Peer) -> list[tuple[bytes, Entry]]:
    """Do all jobs, settle their ends, and return them with their handles in the order in which they came."""
    await _settle(peer, [])  # the server answers when it has all of its jobs back
    came: list[tuple[bytes, Entry]] = []
    for function in (WORK, RECEIPT):
        peer.send(Command.CAN_DO, function)
        while jobs := await _grab(peer):
            for handle, entry in jobs:
                peer.finish(handle, entry)
            came += jobs
            if function == WORK:
                await _settle(peer, [entry for _, entry in jobs])
    return came


async def _settle(peer: Peer, done: Sequence[Entry]) -> None:
    receipt = peer.books.ask_to_settle(done)
    peer.submit(receipt)
    if not await peer.is_promised(receipt):
        raise Refused(f"{receipt} was refused")


async def _grab(peer: Peer) -> list[tuple[bytes, Entry]]:
    for _ in range(_AT_ONCE):
        peer.send(Command.GRAB_JOB_UNIQ)
    jobs = []
    for _ in range(_AT_ONCE):
        command, arguments = await peer.packet()
        if command is Command.JOB_ASSIGN_UNIQ:
            jobs.append((arguments[0], peer.books.assign(*_four(arguments))))
        else:
            assert command is Command.NO_JOB, command
    return jobs


def _four(arguments: list[bytes]) -> tuple[bytes, bytes, bytes, bytes]:
    handle, function, unique, workload = arguments
    return handle, function, unique, workload
