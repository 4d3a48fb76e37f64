# SPDX-License-Identifier: MIT
"""Kinds of option values, which convert the text of an option to its value.

A kind does not know if the text comes from the command line, the environment or a configuration file. For a wrong
value, it raises `ValueError` with the allowed values, or `OptionError` with the message of the C server if that has
one. A kind that only one part of the server needs is in that part.
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from geartrain.errors import GeartrainError

__all__ = [
    "FILE",
    "FLAG",
    "SECONDS",
    "SIZE",
    "SIZE_OR_NONE",
    "TEXT",
    "TIMEOUT",
    "Kind",
    "OptionError",
    "UsageError",
    "choice",
    "number",
]

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=enum.Enum)


class OptionError(GeartrainError):
    """An option is wrong; the message says which one and why."""


class UsageError(OptionError):
    """A list of words is not understood, so that a message can point to ``--help``."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """A type of option values.

    Attributes:
        metavar: The name of a value in the help; empty for a flag, which takes no value on the command line.
        parse: From text to value; raises `ValueError` with what is expected.
        toml: The types that a TOML file may use for it.
        words: The values, if they are a list of words.
    """

    metavar: str
    parse: Callable[[str], T_co]
    toml: tuple[type, ...] = (str,)
    words: tuple[str, ...] = ()


def number(least: int, most: int | None = None, metavar: str = "N", message: str = "") -> Kind[int]:
    """Return the kind of a whole number within limits, with ``message`` for one that is too small."""
    expected = f"a number from {least} to {most}" if most is not None else f"a number from {least} up"

    def parse(text: str) -> int:
        if not re.fullmatch(r"[-+]?[0-9]{1,18}", text):
            raise ValueError(expected)
        value = int(text)
        if value < least and message:
            raise OptionError(message)
        if value < least or (most is not None and value > most):
            raise ValueError(expected)
        return value

    return Kind(metavar, parse, (int,))


def choice(choices: type[E], metavar: str) -> Kind[E]:
    """Return the kind of the members of an enum, by their values."""
    words = tuple(str(each.value) for each in choices)

    def parse(text: str) -> E:
        try:
            return choices(text.lower())
        except ValueError:
            raise ValueError(f"one of {', '.join(words)}") from None

    return Kind(metavar, parse, words=words)


def _flag(text: str) -> bool:
    value = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return value[text.lower()]
    except KeyError:
        raise ValueError("yes or no") from None


def _not_empty(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("a non-empty text")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text):
        raise ValueError("a number of seconds such as 10 or 0.5, up to eleven days,")
    return float(text)


def _timeout(text: str) -> float:
    value = _seconds(text)
    if not value:
        raise ValueError("a number of seconds above 0")
    return value


def _size(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,12})([KMG]?)(iB)?", text, re.IGNORECASE)
    if not found or not int(found[1]):
        raise ValueError("a number of bytes such as 1000, 64K, 16M or 2G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


FLAG = Kind("", _flag, (bool,))
TEXT = Kind("TEXT", str)
FILE = Kind("FILE", _not_empty)
SECONDS = Kind("SECONDS", _seconds, (int, float))
TIMEOUT = Kind("SECONDS", _timeout, (int, float))
SIZE = Kind("BYTES", _size, (int, str))
SIZE_OR_NONE = Kind("BYTES", lambda text: 0 if text == "0" else _size(text), (int, str))
