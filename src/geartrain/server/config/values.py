# SPDX-License-Identifier: MIT
"""What the text of an option can mean: one `Kind` for each sort of value.

The same text comes from the command line, the environment and a configuration file, so the kinds know none of them.
A kind refuses a text with `ValueError` and says what it takes; where gearmand has words of its own for a refusal, it
raises `OptionError` with those.
"""

import enum
import pwd
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from geartrain.core.options import Durability, PriorityScope, Who
from geartrain.errors import GeartrainError
from geartrain.server.endpoints import Endpoint
from geartrain.server.logs import Level, LogFormat
from geartrain.server.tls import Verify
from geartrain.storage import StoreError, open_store

__all__ = [
    "ENDPOINT",
    "FILE",
    "DURABILITY",
    "FLAG",
    "FORMAT",
    "HANDLE_PREFIX",
    "LEVEL",
    "MODULE",
    "NO_STORE",
    "OptionError",
    "PORT",
    "QUEUE",
    "QUEUES",
    "SCOPE",
    "SECONDS",
    "SIZE",
    "SIZE_OR_ANY",
    "STORE",
    "TEXT",
    "USER",
    "VERIFY",
    "WHO",
    "ZONE",
    "Kind",
    "number",
]

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=enum.Enum)

# A handle may have 63 characters (protocol 8); this leaves ten digits for the number behind the colon.
MAX_HANDLE_PREFIX = 52


class OptionError(GeartrainError):
    """The options make no sense; the message says which one and why."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """A sort of value.

    Attributes:
        metavar: What the help calls it; empty for a flag, which takes no value on the command line.
        parse: From text to value; raises `ValueError` with what would be right.
        toml: The types that a TOML file may use for it.
    """

    metavar: str
    parse: Callable[[str], T_co]
    toml: tuple[type, ...] = (str,)


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


def _choice(choices: type[E], metavar: str) -> Kind[E]:
    def parse(text: str) -> E:
        try:
            return choices(text.lower())
        except ValueError:
            raise ValueError(f"one of {', '.join(choice.value for choice in choices)}") from None

    return Kind(metavar, parse)


def _flag(text: str) -> bool:
    value = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return value[text.lower()]
    except KeyError:
        raise ValueError("yes or no") from None


def _not_empty(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("a text that is not empty")
    return text


def _port(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= 65535:
        return int(text)
    try:
        return socket.getservbyname(text, "tcp")
    except OSError:
        raise ValueError("a number up to 65535 or the name of a service") from None


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text):
        raise ValueError("a number of seconds such as 10 or 0.5, up to eleven days,")
    return float(text)


def _size(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,12})([KMG]?)(iB)?", text, re.IGNORECASE)
    if not found or not int(found[1]):
        raise ValueError("a number of bytes, with K, M or G for their multiples of 1024")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


def _level(text: str) -> Level:
    try:
        return Level[text.upper()]
    except KeyError:
        raise OptionError("Invalid value for --verbose supplied") from None


def _user(text: str) -> str:
    try:
        pwd.getpwnam(text)
    except (KeyError, ValueError):
        raise OptionError(f"Could not find user : {text}") from None
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        raise ValueError("the name of a time zone, such as UTC or Europe/Berlin,") from None
    return text


def _handle_prefix(text: str) -> str:
    if not 0 < len(text.encode()) <= MAX_HANDLE_PREFIX or not text.isprintable() or " " in text:
        raise ValueError(f"1 to {MAX_HANDLE_PREFIX} printable bytes without spaces")
    return text


NO_STORE = "none"

# The modules that gearmand can be built with: those that we have as well, and those of databases that are no more.
QUEUES = ("builtin", "libmemcached", "libsqlite3", "mysql", "postgres", "redis")
_GONE = ("libdrizzle", "libtokyocabinet")


def _queue(text: str) -> str:
    name = text.lower()
    if name in _GONE:
        raise OptionError(f"the queue '{name}' is not available; there are {', '.join(QUEUES)}")
    if name not in QUEUES:
        raise OptionError(f"Error while initializing the queue : {text}")
    return name


def _store(text: str) -> str:
    if text.lower() == NO_STORE:
        return NO_STORE
    try:
        open_store(text)
    except StoreError as error:
        raise OptionError(str(error)) from None
    return text


def _protocol_module(text: str) -> str:
    if text.lower() == "http":
        raise OptionError("the protocol module 'http' is not available in this version")
    raise OptionError(f"Unknown protocol module : {text}")


FLAG = Kind("", _flag, (bool,))
TEXT = Kind("TEXT", str)
FILE = Kind("FILE", _not_empty)
PORT = Kind("PORT", _port, (int, str))
SECONDS = Kind("SECONDS", _seconds, (int, float))
SIZE = Kind("BYTES", _size, (int, str))
SIZE_OR_ANY = Kind("BYTES", lambda text: 0 if text == "0" else _size(text), (int, str))
LEVEL = Kind("LEVEL", _level)
USER = Kind("USER", _user)
HANDLE_PREFIX = Kind("TEXT", _handle_prefix)
QUEUE = Kind("NAME", _queue)
MODULE = Kind("NAME", _protocol_module)
ENDPOINT = Kind("ADDRESS", Endpoint.parse)
SCOPE = _choice(PriorityScope, "SCOPE")
ZONE = Kind("ZONE", _zone)
STORE = Kind("URL", _store)
DURABILITY = _choice(Durability, "WHEN")
VERIFY = _choice(Verify, "WHEN")
WHO = _choice(Who, "WHO")
FORMAT = _choice(LogFormat, "FORMAT")
