# SPDX-License-Identifier: MIT
"""One connection's conversation in the text protocol, without I/O (protocol 2).

Commands may be asked in one breath; replies come in the same order. What ends a reply is known from the command that
it answers: a line, or lines up to a single dot. Silence never ends one.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from geartrain.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError, ReplyTimeout, ServerError
from geartrain.protocol.text import COMMANDS, ReplyKind, TextCommand

__all__ = ["MAX_LINE", "READ_SIZE", "REPLY_TIMEOUT", "AdminSession", "Reply", "Request", "to_text", "to_wire"]

REPLY_TIMEOUT = 30.0  # seconds: a listing of a million jobs takes a while
READ_SIZE = 256 * 1024  # bytes taken from a socket at once

MAX_LINE = 16 * 1024 * 1024  # bytes: a row of `workers` names every function, and thousands are in use somewhere
_CONTROL_OR_SPACE = frozenset(range(0x21)) | {0x7F}

# A command and its arguments.
Request: TypeAlias = tuple[TextCommand, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered to one command.

    Attributes:
        lines: The rows of a listing without the closing dot, or the one value behind ``OK``; no line ends.
        is_error: The one line is what stood behind ``ERR``.
    """

    command: TextCommand
    lines: tuple[bytes, ...]
    is_error: bool = False

    @property
    def value(self) -> bytes:
        """The one line of a reply that is no listing."""
        return self.lines[0]

    def checked(self) -> "Reply":
        """Return the reply itself.

        Raises:
            ServerError: It is an error. Errors without a code, such as ``function not found``, have the code ``ERR``.
        """
        if not self.is_error:
            return self
        code, _, text = to_text(self.value).partition(" ")
        if not code.isupper():
            raise ServerError("ERR", f"{to_text(self.value)} (to {self.command.value})")
        raise ServerError(code, text or f"the answer to {self.command.value}")


class AdminSession:
    """Writes commands and reads replies.

    Feed it what the server sent; send what `take_outgoing` returns.

    Args:
        server: The server's address, for what there is to say of it.
    """

    def __init__(self, server: str = "the server") -> None:
        self._server = server
        self._awaited: deque[TextCommand] = deque()
        self._outgoing = bytearray()
        self._held = bytearray()  # the beginning of a line
        self._rows: list[bytes] = []  # of the listing that is coming in

    @property
    def awaited(self) -> int:
        """How many replies are still to come."""
        return len(self._awaited)

    def ask(self, command: TextCommand, *arguments: bytes) -> None:
        """Put a command behind those already asked.

        Raises:
            LocalProtocolError: The number of arguments is wrong, or one is empty or has a space or control character,
                for which the text protocol has no way of writing.
        """
        shape = COMMANDS[command]
        most = shape.most or 0
        if not shape.least <= len(arguments) <= most:
            raise LocalProtocolError(f"{command.value} takes {shape.least} to {most} arguments, not {len(arguments)}")
        for argument in arguments:
            if not argument or not _CONTROL_OR_SPACE.isdisjoint(argument):
                raise LocalProtocolError(f"{command.value}: cannot be written in the text protocol: {argument!r}")
        self._outgoing += b" ".join([command.value.encode(), *arguments]) + b"\r\n"
        self._awaited.append(command)

    def ask_all(self, requests: Sequence[Request]) -> None:
        """Put several commands there; see `ask`."""
        for command, arguments in requests:
            self.ask(command, *map(to_wire, arguments))

    def take_outgoing(self) -> bytes:
        """Return the bytes to send and forget them."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that ``data`` completes; no data at all is the end of the connection.

        Raises:
            ConnectionLost: The server closed the connection.
            RemoteProtocolError: The server says something that nobody asked for, or a line without end.
        """
        if not data:
            raise self.lost("the connection was closed before the answer had come")
        self._held += data
        if b"\n" not in data:
            if len(self._held) > MAX_LINE:
                raise RemoteProtocolError(f"a line of a reply may have {MAX_LINE} bytes")
            return
        *lines, rest = bytes(self._held).split(b"\n")
        self._held = bytearray(rest)
        for line in lines:
            reply = self._line(line)
            if reply is not None:
                yield reply

    def lost(self, error: OSError | str) -> ConnectionLost:
        """Return what to raise when the connection ends."""
        reason = error if isinstance(error, str) else error.strerror or str(error)
        return ConnectionLost(f"{self._server}: {reason}")

    def late(self, timeout: float) -> ReplyTimeout:
        """Return what to raise when the replies did not come within so many seconds."""
        return ReplyTimeout(f"{self._server} did not answer within {timeout:g} seconds")

    def _line(self, line: bytes) -> Reply | None:
        if not self._awaited:
            raise RemoteProtocolError(f"a reply that nobody asked for: {line[:80]!r}")
        command = self._awaited[0]
        is_value = COMMANDS[command].reply is ReplyKind.LINE
        # An error ends with CR LF, a row with LF alone: a unique may well be "ERR something".
        if line.startswith(b"ERR ") and not self._rows and (is_value or line.endswith(b"\r")):
            return self._finish((line[4:].rstrip(b"\r"),), is_error=True)
        if is_value:
            return self._finish((_value(line.rstrip(b"\r")),))
        # Nothing tells the closing dot from a unique that is a dot.
        if line.rstrip(b"\r") == b".":
            return self._finish(tuple(self._rows))
        self._rows.append(line)
        return None

    def _finish(self, lines: tuple[bytes, ...], *, is_error: bool = False) -> Reply:
        self._rows = []
        return Reply(self._awaited.popleft(), lines, is_error)


def _value(line: bytes) -> bytes:
    """Return what follows OK. Servers other than gearmand leave the OK out in front of some values."""
    return line[2:].lstrip(b" ") if line == b"OK" or line.startswith(b"OK ") else line


def to_text(name: bytes) -> str:
    """Return a name as people read it; bytes that are no UTF-8 come back from `to_wire` as they were."""
    return name.decode("utf-8", "surrogateescape")


def to_wire(name: str) -> bytes:
    """Return a name as it travels."""
    return name.encode("utf-8", "surrogateescape")
