# SPDX-License-Identifier: MIT
"""Mutations of messages: first of their fields, then of their bytes."""

import random
from collections.abc import Callable

from geartrain.protocol import REQUEST, RESPONSE, Command
from geartrain.protocol.packets import HEADER
from tests.fuzz.conversations import HANDLE, Message

__all__ = ["LARGEST", "encode", "mutate", "mutate_bytes"]

LARGEST = 64 * 1024  # bytes; the largest packet that the server under test accepts

# Values that are known to break parsers, listings, logs, stores or terminals.
_NASTY = (
    b"",
    b"\0",
    b"\0\0\0",
    b"\n",
    b"\r\n.\r\n",
    b".",
    b"a\tb\nc\rd",
    b"ERR nothing is wrong",
    b"OK",
    b"f\t1\t1\t1\ng",
    b"\x1b[2J\x1b]0;owned\x07",
    b"\x7f\x80\x9b\xc2\x85",
    b"\xe2\x80\xa8\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"\xff" * 64,
    b"%s%n%d{0}{}",
    b"'; DROP TABLE jobs; --",
    b"../../etc/passwd",
    b"-1",
    b"1.5",
    b"1e309",
    b"\xd9\xa1\xd9\xa2",
    b"99999999999999999999",
    b"9" * 5000,
    b"-" + b"9" * 5000,
    b"9223372036854775807",
    b"9223372036854775808",
    b"4294967296",
    b"x" * 63,
    b"x" * 64,
    b"x" * 65,
    b"x" * 127,
    b"x" * 8000,
    b"x" * 8001,
    b"x" * 8192,
    b"x" * LARGEST,
    b" : ",
    b"*/0",
    b"H:unknown:1",
    HANDLE + b"\0",
)
_LENGTHS = (0, 1, 11, 12, 13, 255, 256, 8192, LARGEST, LARGEST + 1, 2**31 - 1, 2**31, 2**32 - 1)
_TYPES = (0, 5, 24, 43, 44, 255, 256, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_MAGICS = (RESPONSE, REQUEST, 0, 1, int.from_bytes(b"\0req", "big"), int.from_bytes(b"\0RE\n", "big"))


def mutate(message: Message, chance: random.Random) -> Message:
    """Return a message with one field changed."""
    return chance.choice(_FIELD_MUTATIONS)(message, chance)


def encode(message: Message, handle: bytes) -> bytes:
    """Return the bytes of a message, valid or not."""
    arguments = [argument.replace(HANDLE, handle) for argument in message.arguments]
    if message.command == Command.TEXT:
        return b" ".join(arguments) + b"\n"
    body = b"\0".join(arguments)
    return HEADER.pack(REQUEST, message.command, len(body)) + body


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one change."""
    return chance.choice(_BYTE_MUTATIONS)(data, chance)


def _exchange_type(message: Message, chance: random.Random) -> Message:
    number = chance.choice((chance.randrange(50), chance.choice(_TYPES), chance.randrange(2**32)))
    return Message(number, message.arguments)


def _replace_argument(message: Message, chance: random.Random) -> Message:
    arguments = list(message.arguments) or [b""]
    arguments[chance.randrange(len(arguments))] = chance.choice(_NASTY)
    return Message(message.command, tuple(arguments))


def _extend_argument(message: Message, chance: random.Random) -> Message:
    arguments = list(message.arguments) or [b""]
    place = chance.randrange(len(arguments))
    arguments[place] += chance.choice((b"", b" ")) + chance.choice(_NASTY)
    return Message(message.command, tuple(arguments))


def _lose_argument(message: Message, chance: random.Random) -> Message:
    arguments = list(message.arguments)
    if arguments:
        del arguments[chance.randrange(len(arguments))]
    return Message(message.command, tuple(arguments))


def _add_argument(message: Message, chance: random.Random) -> Message:
    arguments = list(message.arguments)
    arguments.insert(chance.randrange(len(arguments) + 1), chance.choice(_NASTY))
    return Message(message.command, tuple(arguments))


def _shuffle_arguments(message: Message, chance: random.Random) -> Message:
    arguments = list(message.arguments)
    chance.shuffle(arguments)
    return Message(message.command, tuple(arguments))


def _flip_bits(data: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _behead(data: bytes, chance: random.Random) -> bytes:
    return data[chance.randrange(len(data)) :]


def _announce_another_length(data: bytes, chance: random.Random) -> bytes:
    length = chance.choice((max(len(data) - 12 + chance.randrange(-3, 4), 0), chance.choice(_LENGTHS)))
    return data[:8] + length.to_bytes(4, "big") + data[12:]


def _exchange_magic(data: bytes, chance: random.Random) -> bytes:
    return chance.choice(_MAGICS).to_bytes(4, "big") + data[4:]


def _insert(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + chance.randbytes(chance.randrange(1, 300)) + data[place:]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    return data * chance.randrange(2, 50) if len(data) < 1000 else data * 2


def _throw_dice(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((1, 2, 11, 12, 13, 100, 1000, 9000)))


def _end_line_otherwise(data: bytes, chance: random.Random) -> bytes:
    return data.rstrip(b"\n") + chance.choice((b"\r\n", b"\r", b"\n\n", b"\0\n", b"", b" \r\n"))


_FIELD_MUTATIONS: tuple[Callable[[Message, random.Random], Message], ...] = (
    _exchange_type,
    _replace_argument,
    _replace_argument,
    _extend_argument,
    _lose_argument,
    _add_argument,
    _shuffle_arguments,
)
_BYTE_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip_bits,
    _flip_bits,
    _cut,
    _behead,
    _announce_another_length,
    _exchange_magic,
    _insert,
    _repeat,
    _throw_dice,
    _end_line_otherwise,
)
