# SPDX-License-Identifier: MIT
"""The text protocol: its commands, the parsing of lines and the format of replies (protocol 2).

Line ends are mixed, and tools rely on them: data and ``OK <value>`` end with LF, a plain ``OK`` and all ``ERR`` with
CR LF.
"""

import enum
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from geartrain.errors import GeartrainError

__all__ = [
    "COMMANDS",
    "DECEPTIVE",
    "END",
    "OK",
    "UNKNOWN_COMMAND",
    "error_reply",
    "ReplyKind",
    "TextCommand",
    "TextError",
    "TextRequest",
    "is_http",
    "listing",
    "listing_line",
    "ok",
    "parse_line",
    "printable",
    "printable_text",
]

OK = b"OK\r\n"
END = b".\n"


class TextCommand(enum.Enum):
    """A command of the text protocol; the value is its words."""

    STATUS = "status"
    PRIORITY_STATUS = "prioritystatus"
    WORKERS = "workers"
    SHOW_JOBS = "show jobs"
    SHOW_UNIQUE_JOBS = "show unique jobs"
    SHOW_SCHEDULES = "show schedules"
    SHOW_STALLS = "show stalls"
    SHOW_LIMITS = "show limits"
    SHOW_FUNCTIONS = "show functions"
    SHOW_METRICS = "show metrics"
    SHOW_CONNECTIONS = "show connections"
    SHOW_DELAYED = "show delayed"
    CANCEL_JOB = "cancel job"
    CREATE_FUNCTION = "create function"
    DROP_FUNCTION = "drop function"
    MAXQUEUE = "maxqueue"
    VERSION = "version"
    GETPID = "getpid"
    VERBOSE = "verbose"
    SHUTDOWN = "shutdown"
    TOKEN = "token"  # noqa: S105  # the word, no secret


class ReplyKind(enum.Enum):
    """The form of a reply, which tells where it ends."""

    LINE = enum.auto()
    LISTING = enum.auto()  # lines up to a single dot; an error is one line


class TextShape(NamedTuple):
    """The arguments of a command, and the form of its reply.

    Attributes:
        most: The maximum number of arguments, or None where further words have always been ignored.
        surplus: The error for another number of arguments.
        changes: True if the command changes something, False if it only reads.
    """

    reply: ReplyKind
    least: int = 0
    most: int | None = None
    surplus: str = ""
    changes: bool = False


INVALID_ARGUMENTS = "INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+"
UNKNOWN_COMMAND = "UNKNOWN_COMMAND Unknown+server+command"
UNKNOWN_SHOW = "UNKNOWN_SHOW_ARGUMENTS"
UNKNOWN_ERROR = "UNKNOWN_ERROR"

COMMANDS: dict[TextCommand, TextShape] = {
    TextCommand.STATUS: TextShape(ReplyKind.LISTING),
    TextCommand.PRIORITY_STATUS: TextShape(ReplyKind.LISTING),
    TextCommand.WORKERS: TextShape(ReplyKind.LISTING),
    TextCommand.SHOW_JOBS: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_UNIQUE_JOBS: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_SCHEDULES: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_STALLS: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_LIMITS: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_FUNCTIONS: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_METRICS: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_CONNECTIONS: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.SHOW_DELAYED: TextShape(ReplyKind.LISTING, 0, 0, UNKNOWN_SHOW),
    TextCommand.CANCEL_JOB: TextShape(ReplyKind.LINE, 1, 1, UNKNOWN_ERROR, True),
    TextCommand.CREATE_FUNCTION: TextShape(ReplyKind.LINE, 1, 1, INVALID_ARGUMENTS + "create", True),
    TextCommand.DROP_FUNCTION: TextShape(ReplyKind.LINE, 1, 1, INVALID_ARGUMENTS + "drop", True),
    TextCommand.MAXQUEUE: TextShape(ReplyKind.LINE, 1, 4, INVALID_ARGUMENTS + "maxqueue", True),
    TextCommand.VERSION: TextShape(ReplyKind.LINE),
    TextCommand.GETPID: TextShape(ReplyKind.LINE),
    TextCommand.VERBOSE: TextShape(ReplyKind.LINE),
    TextCommand.SHUTDOWN: TextShape(ReplyKind.LINE, 0, 1, INVALID_ARGUMENTS + "shutdown", True),
    TextCommand.TOKEN: TextShape(ReplyKind.LINE, 1, 1, INVALID_ARGUMENTS + "token"),
}

_HTTP = re.compile(rb" HTTP/[0-9]\.[0-9]\s*$")

_BY_WORDS = {tuple(command.value.encode().split()): command for command in TextCommand}
_LONGEST = max(len(words) for words in _BY_WORDS)
# First words of commands with two words: the error if the second one is wrong.
_UNFINISHED = {b"show": UNKNOWN_SHOW, b"cancel": UNKNOWN_ERROR}
_UNFINISHED |= {word: INVALID_ARGUMENTS + word.decode() for word in (b"create", b"drop")}
# With fewer words these two are unknown commands in the C server, rather than incomplete ones.
_FEWEST_WORDS = {b"show": 2, b"cancel": 3}


class TextError(GeartrainError):
    """A line that is not a valid command; ``reply`` is the answer to it."""

    def __init__(self, error: str, word: bytes = b"") -> None:
        super().__init__(error)
        self.reply = b"ERR " + error.encode() + (b"+" + printable(word) if word else b"") + b"\r\n"


def error_reply(code: str, text: str) -> bytes:
    """Return the reply to a line that is refused: the code, and the text without spaces."""
    return TextError(f"{code} {text.replace(' ', '+')}").reply


class TextRequest(NamedTuple):
    """A parsed line."""

    command: TextCommand
    arguments: Sequence[bytes]


def parse_line(line: bytes) -> TextRequest:
    """Parse a line without its line end.

    Raises:
        TextError: The line is not a command, or has a wrong number of words.
    """
    words = [word for word in line.split(b" ") if word]
    if not words or line.startswith(b" "):
        raise TextError(UNKNOWN_COMMAND)
    first = words[0].lower()
    if len(words) < _FEWEST_WORDS.get(first, 0):
        raise TextError(UNKNOWN_COMMAND, words[0])
    lowered = tuple(word.lower() for word in words[:_LONGEST])
    for count in range(len(lowered), 0, -1):
        command = _BY_WORDS.get(lowered[:count])
        if command is not None:
            return _with_arguments(command, words[count:])
    if first in _UNFINISHED:
        raise TextError(_UNFINISHED[first])
    raise TextError(UNKNOWN_COMMAND, words[0])


def _with_arguments(command: TextCommand, arguments: list[bytes]) -> TextRequest:
    shape = COMMANDS[command]
    if shape.most is not None and not shape.least <= len(arguments) <= shape.most:
        raise TextError(shape.surplus)
    return TextRequest(command, arguments)


def is_http(line: bytes) -> bool:
    """Tell whether a line is the first line of an HTTP request, of any method and version."""
    return _HTTP.search(line) is not None


def ok(value: bytes) -> bytes:
    """Return a reply with one value."""
    return b"OK " + value + b"\n"


def listing(rows: Iterable[bytes]) -> bytes:
    """Return a listing with one row per line and the closing dot; a row that is a dot is escaped."""
    return b"".join([listing_line(row) for row in rows]) + END


def listing_line(row: bytes) -> bytes:
    """Return a row of a listing with its line end; a row that is a dot is escaped."""
    return row + b"\n" if row != b"." else b"\\x2e\n"


_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_CONTROL_OR_SPACE = re.compile(rb"[\x00-\x20\x7f]")

# Characters with which a name could change how a terminal shows the text around it: controls, also those of C1, line
# separators, and marks of the direction of writing. In bytes beyond ASCII, other characters are found and kept whole; a
# byte of the C1 range that belongs to none is escaped as well.
_MARKS = "\u0080-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
DECEPTIVE = re.compile(f"[\x00-\x1f\x7f{_MARKS}]")
_DECEPTIVE_BYTES = re.compile(
    rb"(?P<escaped>\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9])"
    rb"|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
    rb"|(?P<byte>[\x00-\x1f\x7f-\x9f])"
)


def printable(name: bytes, *, spaces: bool = True) -> bytes:
    r"""Return a name with characters that would change a listing escaped byte by byte, as ``\xNN``.

    These are controls, line separators and marks of the direction of writing, and with ``spaces=False`` spaces. A
    backslash stays as it is: names such as ``App\Mail`` are common, and must be found as they are.
    """
    if not name.isascii():
        name = _DECEPTIVE_BYTES.sub(_escape_found, name)
    pattern = _CONTROL if spaces else _CONTROL_OR_SPACE
    return pattern.sub(lambda found: b"\\x%02x" % found[0][0], name)


def printable_text(text: str) -> str:
    r"""Return text with the same characters escaped, as ``\xNN`` for each of their bytes."""
    return DECEPTIVE.sub(lambda found: _escape(found[0].encode()).decode(), text)


def _escape_found(found: re.Match[bytes]) -> bytes:
    return _escape(found[0]) if found["escaped"] or found["byte"] else found[0]


def _escape(data: bytes) -> bytes:
    return b"".join([b"\\x%02x" % byte for byte in data])
