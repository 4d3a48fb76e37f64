# SPDX-License-Identifier: MIT
"""A peer inside the process: packets and text to the core without a socket."""

from collections.abc import Callable

from mypy_extensions import i64

from geartrain.core.outbox import Outlet
from geartrain.core.state import Peer
from geartrain.protocol.packets import REQUEST
from geartrain.protocol.reader import Reader
from geartrain.reactor.flusher import Flusher

__all__ = ["LocalConnection"]


class LocalConnection(Outlet):
    """One end of a conversation with the core; the other is a pair of functions.

    Args:
        flusher: Sends the replies.
        name: The address that listings show.
        on_data: Called with what the server sends.
        on_close: Called when the server has closed the connection.
    """

    __slots__ = ("_flusher", "_is_open", "_on_close", "_on_data", "_pauses", "_waiting", "peer")

    def __init__(
        self, flusher: Flusher, name: str, on_data: Callable[[bytes], None], on_close: Callable[[], None]
    ) -> None:
        super().__init__()
        self._flusher = flusher
        self._on_data = on_data
        self._on_close = on_close
        self._is_open = True
        self._pauses: i64 = 0
        self._waiting: list[bytes] = []
        self.peer: Peer = flusher.job_server.connect(name, -1, local=True, reader=Reader(REQUEST))
        flusher.add(self.peer, self)

    def send(self, data: bytes) -> None:
        """Hand bytes to the core."""
        if self._pauses:
            self._waiting.append(data)
        elif self._is_open and not self.peer.closing:
            self._flusher.schedule()
            self.peer.reader.feed(data)
            self._flusher.job_server.receive(self.peer)

    def write(self, data: bytes) -> None:
        """Pass on what the server sends."""
        self._on_data(data)

    def write_all(self, segments: list[bytes]) -> None:
        """Pass on what the server sends."""
        self._on_data(b"".join(segments))

    def unsent(self) -> int:
        """Return 0: everything is passed on at once."""
        return 0

    def pause_reading(self, reason: i64) -> None:
        """Keep what is sent until the reason is gone."""
        self._pauses |= reason

    def resume_reading(self, reason: i64) -> None:
        """Hand on what was kept, unless there is another reason not to."""
        self._pauses &= ~reason
        if not self._pauses:
            waiting, self._waiting = self._waiting, []
            for data in waiting:
                self.send(data)

    def close_gracefully(self) -> None:
        """Close: what was written has been passed on already."""
        self.close()

    def close(self) -> None:
        """End the conversation."""
        if self._is_open:
            self._is_open = False
            self.peer.closing = True
            self._flusher.schedule()
            self._flusher.job_server.disconnect(self.peer)
            self._flusher.discard(self.peer)
            self._on_close()

    def drop(self, reason: str) -> None:
        """End the conversation at once."""
        self.close()

    def abort(self) -> None:
        """End the conversation at once."""
        self.close()
