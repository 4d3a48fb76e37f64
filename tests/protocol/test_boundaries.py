# SPDX-License-Identifier: MIT
"""The places in packets and lines where a reader or a writer could be wrong by one."""

import struct

import pytest

from geartrain.errors import LocalProtocolError, RemoteProtocolError
from geartrain.protocol import ARGUMENTS, REQUEST, RESPONSE, Command, Reader, request
from geartrain.protocol.text import TextError, is_http, parse_line, printable
from geartrain.protocol.writer import Writer

SEVERAL = [command for command in Command if command > Command.TEXT and len(ARGUMENTS[command]) > 1]


def header(magic: bytes, command: int, length: int) -> bytes:
    return struct.pack(">4sII", magic, command, length)


def read(data: bytes, **limits: int) -> Reader:
    reader = Reader(REQUEST, **limits)
    reader.feed(data)
    assert reader.advance()
    return reader


@pytest.mark.parametrize("command", SEVERAL, ids=lambda command: command.name)
@pytest.mark.parametrize("argument", [b"", b"x"], ids=["empty", "one byte"])
def test_arguments_are_found_one_by_one(command: Command, argument: bytes) -> None:
    """The methods for certain arguments agree with all of them, also where a separator follows another one."""
    count = len(ARGUMENTS[command])
    arguments = [argument] * count
    reader = read(request(command, *arguments) + request(Command.GRAB_JOB))

    assert reader.arguments() == arguments
    assert reader.body() == b"\0".join(arguments)
    if count <= 5:
        assert [reader.argument(number) for number in range(count)] == arguments
    assert reader.first() == argument
    if count > 2:
        assert reader.second() == argument
    if count == 3:
        assert reader.third() == argument


def test_a_result_without_a_separator_has_a_first_argument() -> None:
    reader = read(header(b"\0REQ", Command.WORK_COMPLETE, 5) + b"H:x:1" + request(Command.GRAB_JOB))

    assert reader.first() == b"H:x:1"
    assert reader.body() == b"H:x:1\0"


@pytest.mark.parametrize("command", [command for command in SEVERAL if len(ARGUMENTS[command]) > 2])
def test_separators_in_the_next_packet_do_not_count(command: Command) -> None:
    body = b"\0".join([b"x"] * (len(ARGUMENTS[command]) - 1))

    with pytest.raises(RemoteProtocolError, match=f"takes {len(ARGUMENTS[command])} arguments"):
        read(header(b"\0REQ", command, len(body)) + body + request(Command.GRAB_JOB))


class TestThePacketOfTheOtherDirection:
    @pytest.mark.parametrize("command", [1, 42])
    def test_is_one_of_any_type(self, command: int) -> None:
        assert read(header(b"\0RES", command, 0)).command == Command.WRONG_MAGIC

    @pytest.mark.parametrize("command", [0, 43])
    def test_has_a_type_of_the_protocol(self, command: int) -> None:
        with pytest.raises(RemoteProtocolError, match=f"packet types go from 1 to 42, not {command}") as caught:
            read(header(b"\0RES", command, 0))
        assert caught.value.code == "INVALID_COMMAND"

    def test_has_the_maximum_length_too(self) -> None:
        assert read(header(b"\0RES", Command.NOOP, 5) + b"12345", max_packet=5).command == Command.WRONG_MAGIC
        with pytest.raises(RemoteProtocolError, match="may have 5 bytes, not 6 as this NOOP announces") as caught:
            read(header(b"\0RES", Command.NOOP, 6), max_packet=5)
        assert caught.value.code == "ARGUMENT_TOO_LARGE"

    def test_announces_all_four_bytes_of_its_length(self) -> None:
        with pytest.raises(RemoteProtocolError, match=f"not {0x81020304} as this"):
            read(header(b"\0RES", Command.NOOP, 0x81020304))


class TestALine:
    def test_has_its_own_length_behind_a_packet(self) -> None:
        reader = read(request(Command.ECHO_REQ, b"x" * 8) + b"y" * 9, max_line=10)

        assert not reader.advance()
        reader.feed(b"\n")
        assert reader.advance()
        assert reader.body() == b"y" * 9

    def test_may_not_begin_as_a_tls_connection_to_a_server(self) -> None:
        with pytest.raises(RemoteProtocolError, match=r"^the server expects no TLS here$") as caught:
            read(b"\x16\x03\x01\n")
        assert caught.value.code == "INVALID_MAGIC"

    def test_of_a_server_may_begin_with_any_byte(self) -> None:
        reader = Reader(RESPONSE)
        reader.feed(b"\x16\x03\x01\n")

        assert reader.advance()
        assert reader.body() == b"\x16\x03\x01"

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (b"GET / HTTP/1.1", True),
            (b"POST /f HTTP/2.0 ", True),
            (b"status", False),
            (b"create function HTTP/1.1x", False),
        ],
    )
    def test_of_http_is_known(self, line: bytes, expected: bool) -> None:
        assert is_http(line) == expected

    def test_that_is_too_long_has_a_code(self) -> None:
        with pytest.raises(RemoteProtocolError, match="a text line may have 10 bytes") as caught:
            read(b"y" * 10, max_line=10)
        assert caught.value.code == "ARGUMENT_TOO_LARGE"

    def test_has_words_between_spaces_only(self) -> None:
        assert parse_line(b"cancel job  H:a\tb").arguments == [b"H:a\tb"]

    def test_that_is_no_command_is_an_error_with_its_code(self) -> None:
        with pytest.raises(TextError, match=r"^UNKNOWN_COMMAND Unknown\+server\+command$"):
            parse_line(b"nonsense")


def test_packets_that_begin_behind_complete_ones_are_counted() -> None:
    packet = request(Command.ECHO_REQ, b"xyz")
    reader = Reader(REQUEST)
    counts = []
    for data in (packet[:5], packet[5:] + packet[:5], packet[5:] + packet[:1], packet[1:]):
        reader.feed(data)
        while reader.advance():
            pass
        counts.append(reader.begun)

    assert counts == [0, 1, 2, 2]


@pytest.mark.parametrize("length", [0, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_header_has_lengths_up_to_32_bits(length: int) -> None:
    writer = Writer()

    writer.header(Command.ECHO_RES, length)

    assert writer.take() == header(b"\0RES", Command.ECHO_RES, length)


def test_a_name_of_ascii_letters_is_escaped_as_others_are() -> None:
    assert printable(b"a\nb\x1f") == b"a\\x0ab\\x1f"


def test_the_messages_of_wrong_packets() -> None:
    with pytest.raises(RemoteProtocolError, match=r"takes 3 arguments \(function, unique, workload\), not 1"):
        read(header(b"\0REQ", Command.SUBMIT_JOB, 1) + b"f")
    with pytest.raises(LocalProtocolError, match=r"cannot contain a NUL byte: b'\\x00{1}x{79}'$"):
        request(Command.SUBMIT_JOB, b"\0" + b"x" * 100, b"", b"")
    with pytest.raises(RemoteProtocolError, match=r"not b'\\x00ABC'"):
        read(b"\0ABC" + bytes(8))
