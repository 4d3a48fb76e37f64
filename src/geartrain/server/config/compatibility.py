# SPDX-License-Identifier: MIT
"""Options of gearmand that have no effect here, and the error for options that do not exist."""

from collections.abc import Iterable
from dataclasses import dataclass

from geartrain.server.config.kinds import FLAG, Kind, OptionError, UsageError, number
from geartrain.server.config.option import Group, option
from geartrain.wording import did_you_mean

__all__ = ["CompatibleOptions", "unknown_option"]

# gearmand's modules, by the beginning of their options.
_MODULES = {"http-": "http", "libdrizzle-": "libdrizzle", "libtokyocabinet-": "libtokyocabinet"}


def _protocol_module(text: str) -> str:
    if text.lower() == "http":
        raise OptionError("the protocol module 'http' is not available in this version")
    raise OptionError(f"Unknown protocol module : {text}")


@dataclass(frozen=True, kw_only=True)
class CompatibleOptions:
    """Options that are accepted so that a command line for gearmand works."""

    protocol: str | None = option(
        None,
        Kind("NAME", _protocol_module),
        Group.COMPATIBLE,
        "not available: the HTTP module of the C server",
        short="r",
        details="The C server has one protocol module, http. Geartrain does not have it, so each value is an error.",
        example="http",
    )
    threads: int = option(
        4,
        number(0),
        Group.COMPATIBLE,
        "no effect: one thread serves all connections",
        short="t",
        details="Accepted for command lines of the C server.",
        example="4",
    )
    hashtable_buckets: int = option(
        991,
        number(1, message="hashtable-buckets has to be greater than 0"),
        Group.COMPATIBLE,
        "no effect: tables grow as needed",
        details="Accepted for command lines of the C server.",
        example="991",
    )
    keepalive: bool = option(
        False,
        FLAG,
        Group.COMPATIBLE,
        "no effect: keepalive is always on",
        details="Accepted for command lines of the C server.",
    )
    coredump: bool = option(
        False,
        FLAG,
        Group.COMPATIBLE,
        "no effect: the system decides about core dumps",
        details="Accepted for command lines of the C server.",
    )


def unknown_option(name: str, written: str, known: Iterable[str]) -> UsageError:
    """Return the error for an option that does not exist.

    Args:
        name: Its long name.
        written: The same as its user wrote it, with or without dashes in front.
        known: The names of the options that exist, for a suggestion.
    """
    for beginning, module in _MODULES.items():
        if name.startswith(beginning):
            return UsageError(f"option '{written}' is for '{module}', which is not available in this version")
    dashes = written.removesuffix(written.lstrip("-"))
    return UsageError(f"unknown option '{written}'{did_you_mean(name, known, prefix=dashes)}")
