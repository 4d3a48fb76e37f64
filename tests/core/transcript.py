# SPDX-License-Identifier: MIT
"""Recorded conversations with a job server: the bytes that peers send and the bytes that they get, turn by turn.

A transcript is a text file. Its second line has the options of the server; then each paragraph is one turn of the
event loop: the input first, then all output of this turn, by peer::

    0 connect 127.0.0.1 local
    0 > CAN_DO resize                 a packet, with its fields
    0 + GRAB_JOB                      a further one that arrives together with it
    1 > text show jobs                a line of the text protocol
    2 > bytes %00REQ%00               any bytes, such as half of a packet
    2 disconnect
    advance 1.5                       let time pass; set-clock -60 changes the wall clock alone
    take-batch                        begin to write to the store; then commit-batch, or fail-batch
    begin-restoring 12
    restore 3 H:localhost:3 resize - 1 photo 0 0 - -
    end-restoring
    options job_retries=2             reload the configuration
    drain
    list-store
    0 < JOB_ASSIGN H:localhost:1 resize photo
    1 < text .
    0 closes                          the server closes the connection
    stored 3 H:localhost:3 resize - 1 photo 0 0 - -

Fields are written as they are, except that an empty one is ``-``, a byte repeated often is ``~20000~x``, and bytes that
do not print are ``%00``. Nothing is left out, so that equal lines are equal bytes. This module encodes and decodes
packets itself, so that a defect in `geartrain.protocol` cannot hide.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from geartrain.protocol import Command
from tests.core.conversation import Conversation

__all__ = ["FOLDER", "Turn", "load", "packet_line", "perform", "quote", "save", "text_line", "unquote"]

FOLDER = Path(__file__).parent / "transcripts"

_LICENSE = "# SPDX-License-Identifier: MIT"
_HEADER = struct.Struct(">4sII")
_REPEATED = 100  # bytes; a longer run of one byte is written with its length
_UNPRINTED = re.compile(rb"[^!-$&-}]")
_UNPRINTED_IN_LINE = re.compile(rb"[^ -$&-}]")
_QUOTED = re.compile(rb"%([0-9A-F]{2})")


@dataclass
class Turn:
    """One turn: its input, its output, and the line of the file at which it begins."""

    line: int = 0
    input: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)


def load(path: Path) -> tuple[list[str], list[Turn]]:
    """Return the options and the turns of a transcript."""
    lines = path.read_text(encoding="ascii").splitlines()
    word, *options = lines[1].split()
    assert (lines[0], word) == (_LICENSE, "options"), f"{path} is no transcript"
    turns = []
    turn = Turn()
    for number, line in enumerate(lines[2:], 3):
        if not line:
            turn = Turn(number + 1)
            turns.append(turn)
        else:
            (turn.output if _is_output(line) else turn.input).append(line)
    return options, turns


def save(path: Path, options: Sequence[str], turns: Iterable[Turn]) -> None:
    """Write a transcript."""
    paragraphs = ["\n".join([_LICENSE, " ".join(["options", *options])])]
    paragraphs += ["\n".join([*turn.input, *turn.output]) for turn in turns]
    path.write_text("\n\n".join(paragraphs) + "\n", encoding="ascii")


def _is_output(line: str) -> bool:
    words = line.split(" ", 2)
    return words[0] == "stored" or words[1:2] in (["<"], ["closes"])


def perform(conversation: Conversation, lines: Sequence[str]) -> list[str]:
    """Perform the input of a turn and return its output."""
    output: list[str] = []
    for place, line in enumerate(lines):
        word, _, rest = line.partition(" ")
        if word.isdecimal():
            _perform_peer(conversation, int(word), rest, lines[place + 1 :])
        elif word == "list-store":
            output += [" ".join(["stored", *map(quote, fields)]) for fields in conversation.stored()]
        else:
            _perform_server(conversation, word, rest.split())
    for number, data, closes in conversation.end_turn():
        output += [f"{number} < {described}" for described in _describe(data)]
        if closes:
            output.append(f"{number} closes")
    return output


def _perform_peer(conversation: Conversation, number: int, rest: str, following: Sequence[str]) -> None:
    verb, _, rest = rest.partition(" ")
    if verb == "connect":
        host, place = rest.split()
        conversation.connect(number, host, local=place == "local")
    elif verb == "disconnect":
        conversation.disconnect(number)
    elif verb == ">":
        data = _encode(rest)
        for line in following:
            if not line.startswith(f"{number} + "):
                break
            data += _encode(line.split(" ", 2)[2])
        conversation.send(number, data)
    else:
        assert verb == "+", f"unknown input {verb!r}"


def _perform_server(conversation: Conversation, word: str, words: Sequence[str]) -> None:
    if word == "advance":
        conversation.advance(float(words[0]))
    elif word == "set-clock":
        conversation.set_clock(float(words[0]))
    elif word == "options":
        conversation.change_options(words)
    elif word == "begin-restoring":
        conversation.begin_restoring(int(words[0]))
    elif word == "restore":
        conversation.restore([unquote(word) for word in words])
    else:
        actions = {
            "take-batch": conversation.take_batch,
            "commit-batch": conversation.commit_batch,
            "fail-batch": conversation.fail_batch,
            "end-restoring": conversation.end_restoring,
            "drain": conversation.drain,
        }
        actions[word]()


def packet_line(command: Command, *fields: bytes) -> str:
    """Return the line of a packet in a transcript, without the peer and the direction."""
    return " ".join([command.name, *map(quote, fields)])


def text_line(line: bytes) -> str:
    """Return the line of a transcript for a line of the text protocol, given without its end."""
    words = _quoted(_UNPRINTED_IN_LINE, line)
    return f"text {words[:-1]}%20" if words.endswith(" ") else f"text {words}".rstrip()


def quote(data: bytes) -> str:
    """Return the word that stands for a field in a transcript."""
    if not data:
        return "-"
    if len(data) > _REPEATED and data.count(data[:1]) == len(data):
        return f"~{len(data)}~{_quoted(_UNPRINTED, data[:1])}"
    return "%2D" if data == b"-" else _quoted(_UNPRINTED, data)


def unquote(word: str) -> bytes:
    """Return the field that a word of a transcript stands for."""
    if word == "-":
        return b""
    if word.startswith("~"):
        _, count, repeated = word.split("~")
        return unquote(repeated) * int(count)
    return _unquoted(word)


def _unquoted(text: str) -> bytes:
    return _QUOTED.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode("ascii"))


def _quoted(unprinted: "re.Pattern[bytes]", data: bytes) -> str:
    return unprinted.sub(lambda found: b"%%%02X" % found[0][0], data).decode("ascii")


def _encode(described: str) -> bytes:
    """Return the bytes that a peer sends, from their description."""
    word, _, rest = described.partition(" ")
    if word == "text":
        return _unquoted(rest) + b"\n"
    if word == "bytes":
        return unquote(rest)
    body = b"\0".join(map(unquote, rest.split(" "))) if rest else b""
    return _HEADER.pack(b"\0REQ", Command[word], len(body)) + body


def _describe(data: bytes) -> Iterator[str]:
    """Yield the output to a peer, packet by packet and line by line."""
    position = 0
    while position < len(data):
        if data[position]:
            end = data.find(b"\n", position) + 1 or len(data)
            line = data[position:end]
            yield text_line(line[:-1]) if line.endswith(b"\n") else f"bytes {quote(line)}"
        else:
            magic, number, length = _HEADER.unpack_from(data, position)
            start = position + _HEADER.size
            end = start + length
            assert magic == b"\0RES", f"no packet: {data[position:]!r}"
            assert end <= len(data), f"no whole packet: {data[position:]!r}"
            yield packet_line(Command(number), *(data[start:end].split(b"\0") if length else []))
        position = end
