# SPDX-License-Identifier: MIT
"""The text grammar, as a table of lines and parsed commands."""

import pytest

from geartrain.protocol.text import (
    TextCommand,
    TextError,
    TextRequest,
    listing,
    ok,
    parse_line,
    printable,
    printable_text,
)

INCOMPLETE = "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+"
UNKNOWN = "ERR UNKNOWN_COMMAND Unknown+server+command"


@pytest.mark.parametrize(
    ("line", "command", "arguments"),
    [
        (b"status", TextCommand.STATUS, []),
        (b"STATUS", TextCommand.STATUS, []),
        (b"status of all", TextCommand.STATUS, [b"of", b"all"]),
        (b"prioritystatus", TextCommand.PRIORITY_STATUS, []),
        (b"workers", TextCommand.WORKERS, []),
        (b"version", TextCommand.VERSION, []),
        (b"getpid", TextCommand.GETPID, []),
        (b"verbose", TextCommand.VERBOSE, []),
        (b"Show   Jobs", TextCommand.SHOW_JOBS, []),
        (b"show unique jobs", TextCommand.SHOW_UNIQUE_JOBS, []),
        (b"cancel job H:x:1", TextCommand.CANCEL_JOB, [b"H:x:1"]),
        (b"create function Reverse", TextCommand.CREATE_FUNCTION, [b"Reverse"]),
        (b"drop function Reverse", TextCommand.DROP_FUNCTION, [b"Reverse"]),
        (b"maxqueue f", TextCommand.MAXQUEUE, [b"f"]),
        (b"maxqueue f 1 2 3", TextCommand.MAXQUEUE, [b"f", b"1", b"2", b"3"]),
        (b"shutdown", TextCommand.SHUTDOWN, []),
        (b"shutdown graceful", TextCommand.SHUTDOWN, [b"graceful"]),
    ],
)
def test_commands(line: bytes, command: TextCommand, arguments: list[bytes]) -> None:
    assert parse_line(line) == TextRequest(command, arguments)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"foo", UNKNOWN + "+foo"),
        (b"", UNKNOWN),
        (b" status", UNKNOWN),
        (b"   ", UNKNOWN),
        (b"priority-status", UNKNOWN + "+priority-status"),
        (b"a\x01b", UNKNOWN + "+a\\x01b"),
        (b"show", UNKNOWN + "+show"),
        (b"cancel", UNKNOWN + "+cancel"),
        (b"cancel job", UNKNOWN + "+cancel"),
        (b"cancel x y", "ERR UNKNOWN_ERROR"),
        (b"cancel job a b", "ERR UNKNOWN_ERROR"),
        (b"show x", "ERR UNKNOWN_SHOW_ARGUMENTS"),
        (b"show unique", "ERR UNKNOWN_SHOW_ARGUMENTS"),
        (b"show jobs x", "ERR UNKNOWN_SHOW_ARGUMENTS"),
        (b"show unique jobs x", "ERR UNKNOWN_SHOW_ARGUMENTS"),
        (b"maxqueue", INCOMPLETE + "maxqueue"),
        (b"maxqueue f 1 2 3 4", INCOMPLETE + "maxqueue"),
        (b"create", INCOMPLETE + "create"),
        (b"create x y", INCOMPLETE + "create"),
        (b"create function", INCOMPLETE + "create"),
        (b"create function ", INCOMPLETE + "create"),
        (b"create function a b", INCOMPLETE + "create"),
        (b"drop", INCOMPLETE + "drop"),
        (b"drop x y", INCOMPLETE + "drop"),
        (b"drop function", INCOMPLETE + "drop"),
        (b"shutdown a b", INCOMPLETE + "shutdown"),
    ],
)
def test_errors(line: bytes, reply: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_line(line)

    assert caught.value.reply.decode() == reply + "\r\n"


def test_line_ends_are_mixed() -> None:
    assert ok(b"1.0") == b"OK 1.0\n"
    assert listing([b"a", b"b"]) == b"a\nb\n.\n"
    assert listing([]) == b".\n"
    assert listing([b".", b"b"]) == b"\\x2e\nb\n.\n"


def test_control_characters_cannot_break_a_listing() -> None:
    assert printable(b"a\tb\nc\x7f\\d \xc3\xa9") == b"a\\x09b\\x0ac\\x7f\\d \xc3\xa9"
    assert printable(b"a b", spaces=False) == b"a\\x20b"


DECEPTIVE = [*range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize("point", DECEPTIVE, ids="{:04x}".format)
def test_characters_that_change_the_text_around_them_are_escaped(point: int) -> None:
    encoded = chr(point).encode()
    escaped = "".join(f"\\x{byte:02x}" for byte in encoded)

    assert printable(b"a" + encoded + b"b") == f"a{escaped}b".encode()
    assert printable(b"a " + encoded, spaces=False) == rf"a\x20{escaped}".encode()
    assert printable_text(f"a{chr(point)}b") == f"a{escaped}b"


@pytest.mark.parametrize("name", ["é", "日本語", "שלום", "🙂👩‍🔬", "İ\u00a0ß", "\u2027\u202f\u2065\u206a"])
def test_all_other_characters_stay(name: str) -> None:
    assert printable(name.encode()) == name.encode()
    assert printable_text(name) == name


def test_bytes_of_the_c1_range_alone_are_escaped_and_other_encodings_stay() -> None:
    assert printable(b"\x9b2J \xe9t\xe9 \xe2\x80") == b"\\x9b2J \xe9t\xe9 \xe2\\x80"
