# SPDX-License-Identifier: MIT
"""Levels of the log, as gearmand has them."""

# ruff: noqa: RUF009  # option() returns a dataclass field
import enum
import logging
from dataclasses import dataclass

from geartrain.core import levels
from geartrain.server.config.kinds import Kind, OptionError
from geartrain.server.config.option import Group, option

__all__ = ["Level", "LevelOptions", "name_levels", "verbosity"]


class Level(enum.IntEnum):
    """gearmand's levels, as numbers of ``logging``."""

    FATAL = 70
    ALERT = 60
    CRITICAL = 50
    ERROR = 40
    WARNING = 30
    NOTICE = levels.NOTICE
    INFO = 20
    DEBUG = 10


def _level(text: str) -> Level:
    try:
        return Level[text.upper()]
    except KeyError:
        allowed = ", ".join(Level.__members__)
        raise OptionError(f"Invalid value for --verbose supplied: {text!r}; one of {allowed} is expected") from None


@dataclass(frozen=True, kw_only=True)
class LevelOptions:
    """The lowest level that is logged; the text command ``verbose`` answers with it."""

    verbose: Level | None = option(
        None,
        Kind("LEVEL", _level, words=tuple(Level.__members__)),
        Group.LOG,
        "least severe level to log: FATAL, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG; -v is NOTICE, -vv "
        "INFO, -vvv DEBUG",
        short="v",
        steps=("NOTICE", "INFO", "DEBUG"),
        reloadable=True,
        details="NOTICE adds a line for each submitted job; INFO adds each step of a job and each connection. At the "
        "default level, the text command verbose answers ERROR, as the C server does. SIGHUP changes the level of a "
        "running server.",
        example="INFO",
        default_text="ERROR for jobs, NOTICE for the server itself",
    )


def verbosity(options: LevelOptions) -> str:
    """Return the answer to the text command ``verbose``."""
    return (options.verbose or Level.ERROR).name


def name_levels() -> None:
    """Give the levels that `logging` does not know their names, for programs with log formats of their own."""
    for level in (Level.NOTICE, Level.ALERT, Level.FATAL):
        logging.addLevelName(level, level.name)
