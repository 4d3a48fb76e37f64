# SPDX-License-Identifier: MIT
"""The reader: every packet at once, byte by byte and with a tail; strict checks; bounded memory."""

import gc
import itertools
import struct
import sys
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from geartrain.protocol import ARGUMENTS, REQUEST, RESPONSE, Command, Packet, request, response
from geartrain.protocol.reader import Reader
from geartrain.protocol.scan import find_nul
from geartrain.protocol.writer import Writer

ON_THE_WIRE = [command for command in Command if command > Command.TEXT]


def header(magic: bytes, command: int, length: int) -> bytes:
    return struct.pack(">4sII", magic, command, length)


def arguments_for(command: Command) -> list[bytes]:
    """Return one argument for each field; the last one contains a NUL byte, as only the last one may."""
    names = [name.encode() for name in ARGUMENTS[command]]
    return [*names[:-1], names[-1] + b"\0 with NUL\n"] if names else []


def packets_of(reader: Reader, chunks: list[bytes]) -> list[Packet]:
    return [packet for chunk in chunks for packet in fed(reader, chunk)]


def fed(reader: Reader, data: bytes) -> Iterator[Packet]:
    """Feed bytes and yield all packets that are complete."""
    reader.feed(data)
    while reader.advance():
        yield reader.command, reader.arguments()


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize("command", ON_THE_WIRE, ids=lambda command: command.name)
class TestEachPacket:
    def test_has_a_number_from_1_to_42_and_a_row_in_the_table(self, command: Command) -> None:
        assert 1 <= command <= 42
        assert command in ARGUMENTS

    @pytest.mark.parametrize("magic", [REQUEST, RESPONSE], ids=["request", "response"])
    def test_travels_in_both_directions(self, command: Command, magic: int) -> None:
        arguments = arguments_for(command)
        data = (request if magic == REQUEST else response)(command, *arguments)

        assert packets_of(Reader(magic), [data]) == [(command, arguments)]
        assert packets_of(Reader(magic), bytewise(data)) == [(command, arguments)]

    def test_leaves_a_tail_for_later(self, command: Command) -> None:
        arguments = arguments_for(command)
        data = request(command, *arguments)
        reader = Reader(REQUEST)

        assert packets_of(reader, [data + data[:-1]]) == [(command, arguments)]
        assert reader.held == len(data) - 1
        assert packets_of(reader, [data[-1:] + b"version\r\n"]) == [(command, arguments), (Command.TEXT, [b"version"])]
        assert reader.held == 0


# Results that Perl's workers send without a separator when there is no data.
RESULTS = [Command.WORK_DATA, Command.WORK_WARNING, Command.WORK_COMPLETE, Command.WORK_EXCEPTION]


@pytest.mark.parametrize("command", RESULTS)
def test_a_result_may_be_a_bare_handle(command: Command) -> None:
    data = header(b"\0REQ", command, 5) + b"H:x:1" + request(Command.GRAB_JOB)

    for chunks in ([data], bytewise(data)):
        assert packets_of(Reader(REQUEST), chunks) == [(command, [b"H:x:1", b""]), (Command.GRAB_JOB, [])]


@pytest.mark.parametrize(
    "command", [command for command in ON_THE_WIRE if len(ARGUMENTS[command]) > 1 and command not in RESULTS]
)
def test_a_packet_needs_all_its_arguments(command: Command) -> None:
    count = len(ARGUMENTS[command])
    body = b"\0".join([b"x"] * (count - 1))

    with pytest.raises(RemoteProtocolError, match=f"{command.name} takes {count} arguments .* not {count - 1}"):
        packets_of(Reader(REQUEST), [header(b"\0REQ", command, len(body)) + body])


class TestEncoding:
    def test_the_layout(self) -> None:
        assert request(Command.SUBMIT_JOB, b"f", b"u", b"w\0w") == b"\0REQ\0\0\0\x07\0\0\0\x07f\0u\0w\0w"
        assert response(Command.NO_JOB) == b"\0RES\0\0\0\x0a\0\0\0\0"

    def test_the_number_of_arguments_is_checked(self) -> None:
        with pytest.raises(LocalProtocolError, match=r"CAN_DO takes 1 argument \(function\), not "):
            request(Command.CAN_DO)

    def test_only_the_last_argument_may_contain_nul(self) -> None:
        with pytest.raises(LocalProtocolError, match="a function cannot contain a NUL byte"):
            request(Command.SUBMIT_JOB, b"f\0g", b"", b"")


class TestText:
    @pytest.mark.parametrize(
        ("data", "line"),
        [
            (b"status\n", b"status"),
            (b"status\r\n", b"status"),
            (b"\n", b""),
            (b"\r\n", b""),
            (b"a\rb\r\r\n", b"a\rb\r"),
        ],
    )
    def test_a_line_loses_its_end(self, data: bytes, line: bytes) -> None:
        assert packets_of(Reader(REQUEST), [data]) == [(Command.TEXT, [line])]
        assert packets_of(Reader(REQUEST), bytewise(data)) == [(Command.TEXT, [line])]

    def test_lines_and_packets_alternate(self) -> None:
        data = b"status\n" + request(Command.PRE_SLEEP) + b"version\n"

        for chunks in ([data], bytewise(data)):
            assert packets_of(Reader(REQUEST), chunks) == [
                (Command.TEXT, [b"status"]),
                (Command.PRE_SLEEP, []),
                (Command.TEXT, [b"version"]),
            ]

    def test_a_line_has_a_limit(self) -> None:
        longest = b"x" * 8191 + b"\n"
        assert packets_of(Reader(REQUEST), [longest]) == [(Command.TEXT, [longest[:-1]])]

        for chunks in ([b"x" * 8192], [b"x" * 8192 + b"\n"], bytewise(b"x" * 8192)):
            with pytest.raises(RemoteProtocolError, match="a text line may have 8192 bytes"):
                packets_of(Reader(REQUEST), chunks)


class TestStrictness:
    def test_arguments_are_checked_inside_the_declared_length(self) -> None:
        """A packet with too few separators takes nothing from the next one (protocol 1.5)."""
        short = header(b"\0REQ", Command.SUBMIT_JOB, 3) + b"f\0u"
        parsed: list[Packet] = []

        with pytest.raises(RemoteProtocolError, match="SUBMIT_JOB takes 3 arguments"):
            parsed.extend(fed(Reader(REQUEST), short + request(Command.SUBMIT_JOB, b"f", b"", b"w")))

        assert parsed == []

    def test_packets_before_the_error_are_delivered(self) -> None:
        packets = fed(Reader(REQUEST), request(Command.GRAB_JOB) + header(b"\0REQ", 99, 0))

        assert next(packets) == (Command.GRAB_JOB, [])
        with pytest.raises(RemoteProtocolError):
            next(packets)

    def test_data_of_a_type_that_takes_none_is_ignored(self) -> None:
        data = header(b"\0REQ", Command.GRAB_JOB, 5) + b"extra" + request(Command.PRE_SLEEP)

        assert packets_of(Reader(REQUEST), [data]) == [(Command.GRAB_JOB, []), (Command.PRE_SLEEP, [])]

    @pytest.mark.parametrize("number", [0, 43, 2**31 - 1, 2**31, 2**32 - 1])
    @pytest.mark.parametrize("magic", [b"\0REQ", b"\0RES"])
    def test_unknown_types_are_refused(self, number: int, magic: bytes) -> None:
        """A type of 2^31 or more crashes the C server (protocol 7.1)."""
        with pytest.raises(RemoteProtocolError, match=f"from 1 to 42, not {number}") as caught:
            packets_of(Reader(REQUEST), [header(magic, number, 0)])

        assert caught.value.code == "INVALID_COMMAND"

    def test_an_unknown_magic_is_refused(self) -> None:
        with pytest.raises(RemoteProtocolError, match=r"not b'.x00XYZ'") as caught:
            packets_of(Reader(REQUEST), [header(b"\0XYZ", 9, 0)])

        assert caught.value.code == "INVALID_MAGIC"

    def test_the_magic_of_the_other_direction_is_reported(self) -> None:
        data = response(Command.ECHO_RES, b"x") + request(Command.GRAB_JOB)

        for chunks in ([data], bytewise(data)):
            assert packets_of(Reader(REQUEST), chunks) == [(Command.WRONG_MAGIC, [b"x"]), (Command.GRAB_JOB, [])]


class TestSizes:
    def test_a_packet_has_a_limit(self) -> None:
        reader = Reader(REQUEST, max_packet=10)

        assert packets_of(reader, [request(Command.ECHO_REQ, b"x" * 10)]) == [(Command.ECHO_REQ, [b"x" * 10])]
        with pytest.raises(RemoteProtocolError, match="may have 10 bytes, not 11 as this ECHO_REQ") as caught:
            packets_of(reader, [request(Command.ECHO_REQ, b"x" * 11)[:12]])
        assert caught.value.code == "ARGUMENT_TOO_LARGE"

    def test_a_header_reserves_no_memory(self) -> None:
        """The C server reserves up to 4 GiB for the length in a header (protocol 7.1)."""
        reader = Reader(REQUEST, max_packet=2**32 - 1)

        assert packets_of(reader, [header(b"\0REQ", Command.ECHO_REQ, 2**32 - 1), b"x" * 100]) == []
        assert reader.held == 112
        assert sum(sys.getsizeof(piece) for piece in gc.get_referents(reader) if isinstance(piece, bytes)) < 1000

    def test_a_large_packet_in_pieces_is_parsed_once(self) -> None:
        workload = bytes(range(256)) * 4096
        data = request(Command.SUBMIT_JOB, b"f", b"", workload)
        chunks = [data[i : i + 65536] for i in range(0, len(data), 65536)]

        assert packets_of(Reader(REQUEST), chunks) == [(Command.SUBMIT_JOB, [b"f", b"", workload])]


def streams() -> st.SearchStrategy[bytes]:
    """Conversations, some of them damaged."""
    names = st.binary(max_size=8).map(lambda name: name.replace(b"\0", b""))
    good = st.sampled_from(ON_THE_WIRE).flatmap(
        lambda command: st.tuples(*([names] * len(ARGUMENTS[command]))).map(lambda given: request(command, *given))
    )
    line = st.sampled_from([b"status\n", b"version\r\n", b"\n", b"show jobs\n"])
    bad_header = st.builds(
        header, st.sampled_from([b"\0REQ", b"\0RES", b"\0BAD"]), st.integers(0, 2**32 - 1), st.integers(0, 40)
    )
    return st.lists(st.one_of(good, good, line, bad_header, st.binary(max_size=30)), max_size=8).map(b"".join)


def outcome(chunks: Iterator[bytes]) -> tuple[list[Packet], str]:
    """Feed chunks to a reader; return the packets, and the error if there was one."""
    reader = Reader(REQUEST, max_packet=64, max_line=32)
    packets: list[Packet] = []
    try:
        for chunk in chunks:
            for packet in fed(reader, chunk):
                packets.append(packet)  # noqa: PERF402 - what came before an error counts
    except ProtocolError as error:
        return packets, str(error)
    return packets, f"{reader.held} held"


@given(streams(), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_pieces_do_not_matter_and_only_protocol_errors_are_raised(data: bytes, sizes: list[int]) -> None:
    """Invariant: the result is the same for any pieces, and only a ProtocolError is ever raised."""
    cuts = [0]
    while cuts[-1] < len(data):
        cuts.append(cuts[-1] + sizes[len(cuts) % len(sizes)])

    whole = outcome(iter([data]))

    assert outcome(iter(bytewise(data))) == whole
    assert outcome(data[a:b] for a, b in itertools.pairwise(cuts)) == whole


@given(st.binary(max_size=200))
def test_random_bytes_agree_too(data: bytes) -> None:
    assert outcome(iter([data])) == outcome(iter(bytewise(data)))


class TestWriter:
    def test_packets_are_appended(self) -> None:
        writer = Writer()

        writer.packet(Command.JOB_CREATED, b"H:a:1")
        writer.header(Command.JOB_ASSIGN, len(b"H:a:1") + len(b"f") + len(b"w") + 2)
        writer.argument(b"H:a:1")
        writer.argument(b"f")
        writer.write(b"w")

        created, assigned = response(Command.JOB_CREATED, b"H:a:1"), response(Command.JOB_ASSIGN, b"H:a:1", b"f", b"w")
        assert writer.size() == len(created + assigned)
        assert writer.take() == created + assigned
        assert writer.take() == b""

    @given(st.lists(st.tuples(st.integers(0, 40_000), st.booleans())))
    def test_each_byte_is_taken_once(self, sizes: list[tuple[int, bool]]) -> None:
        writer = Writer()
        written, taken = b"", b""

        for number, (size, take) in enumerate(sizes):
            data = bytes([number % 256]) * size
            writer.write(data)
            written += data
            if take:
                taken += writer.take()

        assert taken + writer.take() == written


class TestReading:
    def test_a_packet_that_is_kept_is_read_again(self) -> None:
        reader = Reader(REQUEST)
        reader.feed(request(Command.CAN_DO, b"f") + request(Command.CAN_DO, b"g"))

        assert reader.advance()
        reader.keep()

        assert reader.held == 26
        assert list(fed(reader, b"")) == [(Command.CAN_DO, [b"f"]), (Command.CAN_DO, [b"g"])]
        assert reader.held == 0

    def test_unread_bytes_are_joined_with_new_ones(self) -> None:
        reader = Reader(REQUEST)
        data = request(Command.CAN_DO, b"f") + request(Command.SUBMIT_JOB, b"f", b"", b"w")
        reader.feed(data[:20])

        assert reader.advance()
        assert reader.has_more

        assert list(fed(reader, data[20:])) == [(Command.SUBMIT_JOB, [b"f", b"", b"w"])]
        assert not reader.has_more

    @pytest.mark.parametrize("command", ON_THE_WIRE, ids=lambda command: command.name)
    def test_arguments_are_sliced_one_by_one(self, command: Command) -> None:
        arguments = arguments_for(command)
        reader = Reader(REQUEST)
        reader.feed(request(command, *arguments))

        assert reader.advance()

        if len(arguments) <= 5:
            assert [reader.argument(index) for index in range(len(arguments))] == arguments
        assert reader.body() == b"\0".join(arguments)
        assert reader.arguments() == arguments

    @given(st.lists(st.binary(max_size=300).filter(lambda name: b"\0" not in name), min_size=2, max_size=2))
    def test_separators_are_found_at_any_distance(self, names: list[bytes]) -> None:
        reader = Reader(REQUEST)
        reader.feed(request(Command.SUBMIT_JOB, *names, b"\0w"))

        assert reader.advance()

        assert [reader.argument(index) for index in range(3)] == [*names, b"\0w"]


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\0", b"x")), st.integers(0, 300), st.integers(0, 300))
def test_the_search_for_nul_agrees_with_find(data: bytes, place: int, end: int) -> None:
    data = data[:place] + b"\0" + data[place:]

    assert find_nul(data, 0, min(end, len(data))) == data.find(b"\0", 0, end)
    assert find_nul(data, min(place + 1, len(data)), len(data)) == -1


class TestDropping:
    """A caller can drop a packet that is incomplete, and goes on behind it."""

    PACKET = request(Command.WORK_COMPLETE, b"H:a:1", bytes(10_000))
    NEXT = request(Command.ECHO_REQ, b"next")

    @pytest.mark.parametrize("arrived", [20, 5_000, len(PACKET) - 1])
    @pytest.mark.parametrize("size", [1, 700, 20_000])
    def test_the_rest_of_it_is_not_kept(self, arrived: int, size: int) -> None:
        reader = Reader(REQUEST)
        assert packets_of(reader, [self.PACKET[:arrived]]) == []
        reader.drop_incomplete()
        assert reader.held == reader.kept() == 0

        rest = self.PACKET[arrived:] + self.NEXT + self.NEXT
        pieces = [rest[begin : begin + size] for begin in range(0, len(rest), size)]

        assert packets_of(reader, pieces) == [(Command.ECHO_REQ, [b"next"])] * 2
        assert packets_of(reader, [self.PACKET]) == [(Command.WORK_COMPLETE, [b"H:a:1", bytes(10_000)])]

    def test_nothing_is_kept_while_it_arrives(self) -> None:
        reader = Reader(REQUEST)
        reader.feed(self.PACKET[:5_000])
        assert not reader.advance()
        reader.drop_incomplete()

        reader.feed(self.PACKET[5_000:9_000])

        assert not reader.advance()
        assert reader.held == reader.kept() == 0
        assert reader.announced() == (0, b"")

    def test_a_reader_that_was_cleared_drops_nothing_more(self) -> None:
        reader = Reader(REQUEST)
        reader.feed(self.PACKET[:5_000])
        assert not reader.advance()
        reader.drop_incomplete()
        reader.clear()

        assert packets_of(reader, [self.NEXT]) == [(Command.ECHO_REQ, [b"next"])]

    @pytest.mark.parametrize(
        ("pieces", "expected"),
        [
            ([], (0, b"")),
            ([PACKET[:11]], (0, b"")),
            ([PACKET[:12]], (Command.WORK_COMPLETE, b"")),
            ([PACKET[:17]], (Command.WORK_COMPLETE, b"")),
            ([PACKET[:18]], (Command.WORK_COMPLETE, b"H:a:1")),
            ([PACKET[:5], PACKET[5:5_000], PACKET[5_000:9_000]], (Command.WORK_COMPLETE, b"H:a:1")),
            ([header(b"\0REQ", Command.WORK_DATA, 9_000) + b"x" * 2_000 + b"\0"], (Command.WORK_DATA, b"")),
            ([b"a text line of a peer"], (0, b"")),
        ],
    )
    def test_it_can_be_asked_for_its_type_and_first_argument(
        self, pieces: list[bytes], expected: tuple[int, bytes]
    ) -> None:
        reader = Reader(REQUEST)
        for piece in pieces:
            reader.feed(piece)
            reader.advance()

        assert reader.announced() == expected

    def test_so_can_one_that_is_too_large(self) -> None:
        reader = Reader(REQUEST, max_packet=1_000)
        reader.feed(self.NEXT + self.PACKET)
        assert reader.advance()
        with pytest.raises(RemoteProtocolError, match="as this WORK_COMPLETE announces"):
            reader.advance()

        assert reader.announced() == (Command.WORK_COMPLETE, b"H:a:1")


def test_a_packet_that_comes_byte_by_byte_is_kept_in_few_pieces() -> None:
    packet = request(Command.ECHO_REQ, b"x" * 20_000)
    tracemalloc.start()
    try:
        reader = Reader(REQUEST)
        before, _ = tracemalloc.get_traced_memory()
        for place in range(len(packet) - 1):
            reader.feed(packet[place : place + 1])
            assert not reader.advance()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 2 * len(packet)
    reader.feed(packet[-1:])
    assert reader.advance()
    assert reader.body() == b"x" * 20_000
