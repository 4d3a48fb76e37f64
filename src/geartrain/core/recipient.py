# SPDX-License-Identifier: MIT
"""The input and output of a connection, and what they cost."""

from collections.abc import Iterator
from typing import Final

from mypy_extensions import i32, i64

from geartrain.core.access import Identity
from geartrain.core.outbox import SHARED, Outbox, Outlet
from geartrain.core.turns import FLOOR
from geartrain.protocol.commands import Command
from geartrain.protocol.packets import response_with
from geartrain.protocol.reader import Reader
from geartrain.protocol.writer import Writer

__all__ = ["DirtyPeers", "Recipient"]

_NOOP: Final = int(Command.NOOP)
_NO_JOB: Final = int(Command.NO_JOB)


class DirtyPeers:
    """Peers that have data to send, or are to be closed, since the last turn.

    Attributes:
        woken: Those that were woken before anything else was sent to them. They are sent to first: a worker that asks
            for its job while the client reads that it is created saves a tenth of a round trip.
        others: The others, in the order in which there was something for them.
    """

    __slots__ = ("others", "woken")

    def __init__(self) -> None:
        self.woken: list[Recipient] = []
        self.others: list[Recipient] = []

    @property
    def is_empty(self) -> bool:
        """True if there are none."""
        return not self.others and not self.woken

    def take(self) -> "list[Recipient]":
        """Return and forget all of them."""
        taken = self.woken + self.others if self.woken else self.others[:]
        self.woken.clear()
        self.others.clear()
        for peer in taken:
            peer.is_dirty = False
        return taken


class Recipient:
    """The base of `Peer`: who it is, its reader and its outbox, and what it costs the server.

    Attributes:
        host: Its address, as ``workers`` shows it.
        fd: The number of its connection, likewise.
        is_local: True if it connects from this machine.
        identity: The facts about the peer that rules of access match.
        closing: Its connection is to be closed once everything has been sent.
        reader: The data that it has sent and the core has not handled.
        outbox: The data that is to be sent to it.
        outlet: The way to it, if there is one.
        is_dirty: It is in the list of peers that have data to send, or are to be closed.
        is_watched: Its unsent replies are to be counted within a second; see `geartrain.core.holdings`.
        budget: Packets of ordinary cost that are handled before it needs another share of a turn; see `Turns`.
        shared: The number of the last turn of which it had a share, or in which it connected.
        debt: Further units that the current packet has cost. One unit is about the cost of an ordinary packet.
        partial: Bytes of its input that wait, as counted into the memory of the server.
        unsent: Bytes that wait to be sent to it, likewise.
        waits: Its input waits in the backlog.
        listing: The rest of a listing that is sent in portions.
    """

    __slots__ = (
        "_dirty",
        "budget",
        "closing",
        "debt",
        "fd",
        "host",
        "identity",
        "is_dirty",
        "is_local",
        "is_watched",
        "listing",
        "outbox",
        "outlet",
        "partial",
        "reader",
        "shared",
        "unsent",
        "waits",
    )

    def __init__(self, host: str, fd: int, is_local: bool, reader: Reader, dirty: DirtyPeers) -> None:
        self.host = host
        self.fd = fd
        self.is_local = is_local
        self.identity = Identity(host, is_local)
        self.reader = reader
        self.closing = False
        self.outbox = Outbox()
        self.outlet: Outlet | None = None
        self.is_dirty = False
        self.is_watched = False
        self._dirty = dirty
        self.budget: i64 = FLOOR
        self.shared: i64 = 0
        self.debt: i64 = 0
        self.partial: i64 = 0
        self.unsent: i64 = 0
        self.waits = False
        self.listing: Iterator[bytes] | None = None

    def mark_dirty(self) -> None:
        """Have the flusher handle this peer at the end of the turn."""
        if not self.is_dirty:
            self.is_dirty = True
            self._dirty.others.append(self)

    def begin(self) -> Writer:
        """Return the writer for the next packet."""
        if not self.is_dirty:
            self.is_dirty = True
            self._dirty.others.append(self)
        return self.outbox.begin()

    def send(self, command: i32, body: bytes) -> None:
        """Send a packet whose arguments are joined already."""
        writer = self.begin()
        if len(body) < SHARED:
            writer.packet(command, body)
        else:
            writer.header(command, len(body))
            self.outbox.share(body)

    def send_times(self, command: i32, body: bytes, times: i64) -> None:
        """Send a packet so many times; several large ones share their bytes."""
        if times == 1 or len(body) * times < SHARED:
            for _ in range(times):
                self.send(command, body)
            return
        packet = response_with(command, body)
        for _ in range(times):
            self.begin()
            self.outbox.share(packet)

    def send_bytes(self, data: bytes) -> None:
        """Send encoded packets, or text."""
        writer = self.begin()
        if len(data) < SHARED:
            writer.write(data)
        else:
            self.outbox.share(data)

    def send_noop(self) -> None:
        """Wake the worker."""
        if not self.is_dirty:
            self.is_dirty = True
            self._dirty.woken.append(self)
        self.outbox.begin().header(_NOOP, 0)

    def send_no_job(self) -> None:
        """Tell the worker that there is no job for it."""
        self.begin().header(_NO_JOB, 0)
