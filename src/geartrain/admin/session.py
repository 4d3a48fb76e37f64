# SPDX-License-Identifier: MIT
"""The text protocol of one connection, without I/O (protocol 2).

Several commands may be sent at once; replies come in the same order. The command determines the end of its reply: one
line, or lines up to a single dot. A pause never ends a reply.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from geartrain.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError, ReplyTimeout, ServerError
from geartrain.frozen import frozen
from geartrain.protocol.text import COMMANDS, ReplyKind, TextCommand
from geartrain.wording import counted

__all__ = [
    "MAX_REPLY_LINE",
    "READ_SIZE",
    "REPLY_TIMEOUT",
    "AdminSession",
    "Reply",
    "Request",
    "check_token",
    "show_token",
    "to_text",
    "to_wire",
]

REPLY_TIMEOUT = 30.0  # seconds: a listing of a million jobs takes several
READ_SIZE = 256 * 1024  # bytes read from a socket at once

MAX_REPLY_LINE = 16 * 1024 * 1024  # bytes: a row of `workers` names every function, of which some users have thousands
_WRONG_TOKEN = b"WRONG_TOKEN"
_CONTROL_OR_SPACE = frozenset(range(0x21)) | {0x7F}

# A command and its arguments.
Request: TypeAlias = tuple[TextCommand, Sequence[str]]


@frozen
class Reply:
    """The reply to one command.

    Attributes:
        command: The command.
        lines: The rows of a listing without the final dot, or the value that follows ``OK``; without line ends.
        is_error: True if the only line is the text that follows ``ERR``.
    """

    command: TextCommand
    lines: tuple[bytes, ...]
    is_error: bool = False

    @property
    def value(self) -> bytes:
        """The only line of a reply that is not a listing."""
        return self.lines[0]

    def checked(self) -> "Reply":
        """Return the reply, unless it is an error.

        Raises:
            ServerError: The reply is an error. An error without a code, such as ``function not found``, has the code
                ``ERR``.
        """
        if not self.is_error:
            return self
        code, _, text = to_text(self.value).partition(" ")
        if not code.isupper():
            raise ServerError("ERR", f"{to_text(self.value)} (in reply to {self.command.value})")
        raise ServerError(code, text or f"the server rejected {self.command.value}")


class AdminSession:
    """Encodes commands and decodes replies.

    Pass it the bytes from the server; send the bytes that `take_outgoing` returns.

    Args:
        server: The server's address, for messages.
        max_line: Bytes of the longest line of a reply.
    """

    def __init__(self, server: str = "the server", max_line: int = MAX_REPLY_LINE) -> None:
        self._server = server
        self._max_line = max_line
        self._awaited: deque[TextCommand] = deque()
        self._outgoing = bytearray()
        self._held = bytearray()  # the beginning of a line
        self._rows: list[bytes] = []  # of an incomplete listing

    @property
    def awaited(self) -> int:
        """The number of replies that are still to come."""
        return len(self._awaited)

    def ask(self, command: TextCommand, *arguments: bytes) -> None:
        """Add a command.

        Raises:
            LocalProtocolError: The number of arguments is wrong; or an argument is empty, or has a space or a control
                character, for which the text protocol has no form.
        """
        shape = COMMANDS[command]
        most = shape.most or 0
        if not shape.least <= len(arguments) <= most:
            takes = counted(most, "argument") if shape.least == most else f"{shape.least} to {most} arguments"
            raise LocalProtocolError(f"{command.value} takes {takes}, not {len(arguments)}")
        for argument in arguments:
            if not argument or not _CONTROL_OR_SPACE.isdisjoint(argument):
                raise LocalProtocolError(f"{command.value}: cannot be written in the text protocol: {argument!r}")
        self._outgoing += b" ".join([command.value.encode(), *arguments]) + b"\r\n"
        self._awaited.append(command)

    def ask_all(self, requests: Sequence[Request]) -> None:
        """Add several commands; see `ask`."""
        for command, arguments in requests:
            self.ask(command, *map(to_wire, arguments))

    def take_outgoing(self) -> bytes:
        """Return the bytes to send, and forget them."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that ``data`` completes; empty data is the end of the connection.

        Raises:
            ConnectionLost: The server closed the connection.
            RemoteProtocolError: The server sent a reply to no command, or a line that is too long.
        """
        if not data:
            raise self.lost("the connection was closed before the answer had come")
        self._held += data
        if b"\n" not in data:
            if len(self._held) > self._max_line:
                raise RemoteProtocolError(f"a line of a reply may have {self._max_line} bytes")
            return
        *lines, rest = bytes(self._held).split(b"\n")
        self._held = bytearray(rest)
        for line in lines:
            reply = self._line(line)
            if reply is not None:
                yield reply

    def lost(self, error: OSError | str) -> ConnectionLost:
        """Return the exception for the end of the connection."""
        reason = error if isinstance(error, str) else error.strerror or str(error)
        return ConnectionLost(f"{self._server}: {reason}")

    def late(self, timeout: float) -> ReplyTimeout:
        """Return the exception for replies that did not come within so many seconds."""
        return ReplyTimeout(f"{self._server} did not answer within {counted(timeout, 'second')}")

    def _line(self, line: bytes) -> Reply | None:
        if not self._awaited:
            raise RemoteProtocolError(f"a reply to no command: {line[:80]!r}")
        command = self._awaited[0]
        is_value = COMMANDS[command].reply is ReplyKind.LINE
        # An error ends with CR LF, a row with LF alone: a unique may well be "ERR something".
        if line.startswith(b"ERR ") and not self._rows and (is_value or line.endswith(b"\r")):
            return self._finish((line[4:].rstrip(b"\r"),), is_error=True)
        if is_value:
            return self._finish((_value(line.rstrip(b"\r")),))
        # The final dot and a unique that is a dot look the same.
        if line.rstrip(b"\r") == b".":
            return self._finish(tuple(self._rows))
        self._rows.append(line)
        return None

    def _finish(self, lines: tuple[bytes, ...], *, is_error: bool = False) -> Reply:
        self._rows = []
        return Reply(self._awaited.popleft(), lines, is_error)


def _value(line: bytes) -> bytes:
    """Return the text that follows OK. Servers other than gearmand omit the OK before some values."""
    return line[2:].lstrip(b" ") if line == b"OK" or line.startswith(b"OK ") else line


def to_text(name: bytes) -> str:
    """Return a name as text; `to_wire` restores bytes that are not UTF-8."""
    return name.decode("utf-8", "surrogateescape")


def to_wire(name: str) -> bytes:
    """Return a name on the wire."""
    return name.encode("utf-8", "surrogateescape")


def show_token(token: str) -> Request:
    """Return the command that shows a token."""
    return (TextCommand.TOKEN, (token,))


def check_token(reply: Reply) -> None:
    """Check that a server has accepted the token. A server without this command does not need the token.

    Raises:
        ServerError: The server has not accepted it.
    """
    if reply.value.startswith(_WRONG_TOKEN):
        reply.checked()
