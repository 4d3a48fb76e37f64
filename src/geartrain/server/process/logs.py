# SPDX-License-Identifier: MIT
"""The server's log: the format of its lines, and their destination.

A line of text begins as gearmand's do, so that searches for it go on working::

    NOTICE 2026-01-31 12:00:00.000000 [server ] Listening on 127.0.0.1:4730 (descriptor 7)

Loggers are named ``geartrain.<area>``. `LogSetup` is for programs; the library only logs.
"""

# ruff: noqa: RUF009  # option() returns a dataclass field
import enum
import logging
import os
import sys
import syslog
from dataclasses import dataclass
from datetime import datetime
from io import TextIOWrapper

from geartrain.protocol.text import DECEPTIVE, printable_text
from geartrain.server.config.kinds import FILE, FLAG, choice
from geartrain.server.config.option import Group, option
from geartrain.server.levels import Level

__all__ = ["LogFormat", "LogOptions", "JsonFormatter", "LogSetup", "TextFormatter"]


_SYSLOG_PRIORITY = {
    Level.FATAL: syslog.LOG_EMERG,
    Level.ALERT: syslog.LOG_ALERT,
    Level.CRITICAL: syslog.LOG_CRIT,
    Level.ERROR: syslog.LOG_ERR,
    Level.WARNING: syslog.LOG_WARNING,
    Level.NOTICE: syslog.LOG_NOTICE,
    Level.INFO: syslog.LOG_INFO,
    Level.DEBUG: syslog.LOG_DEBUG,
}


class LogFormat(enum.Enum):
    """The format of a line."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """The destination of the log."""

    log_file: str | None = option(
        None,
        FILE,
        Group.LOG,
        "file for the log, or stderr, or none",
        short="l",
        details="With none, there is no log, or only that of --syslog. With --daemon, the default is the file "
        "/var/log/geartrain/gearmand.log for root, otherwise ~/.local/state/geartrain/gearmand.log. SIGHUP reopens the "
        "file, for log rotation.",
        example="/var/log/gearmand.log",
        default_text="stderr; with --daemon, a file",
    )
    log_format: LogFormat = option(
        LogFormat.TEXT,
        choice(LogFormat, "FORMAT"),
        Group.LOG,
        "format of the log: text, or json (one object per line)",
        details="Lines of text begin like those of the C server. In JSON, the parts of a message, such as the handle "
        "of a job, are also separate fields.",
        example="json",
    )
    syslog: bool = option(
        False,
        FLAG,
        Group.LOG,
        "write the log to syslog too",
        details="Syslog gets the same lines as the file, from the program gearmand. The level of a line is its syslog "
        "priority.",
    )


def _level(record: logging.LogRecord) -> Level:
    """Return the level of a record, or the next one below it."""
    return next((level for level in Level if level <= record.levelno), Level.DEBUG)


def _area(record: logging.LogRecord) -> str:
    return record.name.removeprefix("geartrain.")


def _message(record: logging.LogRecord) -> str:
    """Return the message on one line, with the control characters of names escaped."""
    return printable_text(record.getMessage())


class TextFormatter(logging.Formatter):
    """Lines for people. A traceback follows its line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        time = datetime.fromtimestamp(record.created)  # noqa: DTZ006  # local time without a zone, as in gearmand's
        line = f"{_level(record).name:>7} {time:%Y-%m-%d %H:%M:%S.%f} [{_area(record):>6} ] {_message(record)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """Lines for programs: one JSON object each, in UTF-8, with the facts of the message as fields of their own."""

    def __init__(self) -> None:
        super().__init__()
        from json import JSONEncoder  # servers whose log is text do without it

        self._encode = JSONEncoder(ensure_ascii=False).encode

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        facts: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="microseconds"),
            "level": _level(record).name,
            "area": _area(record),
            "message": record.getMessage(),
        }
        facts |= getattr(record, "fields", {})
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return DECEPTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", self._encode(facts))


class _FileHandler(logging.FileHandler):
    """Writes to a file, and opens it again after a program that rotates logs has moved it away."""

    def __init__(self, path: str, owner: tuple[int, int] | None) -> None:
        self._owner = owner
        super().__init__(path, encoding="utf-8", errors="backslashreplace")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=self._open_safely)

    def _open_safely(self, path: str, flags: int) -> int:
        """Open the file; root gives it to the user of the server.

        That user may be able to write to the folder, and could make root give away any file by a link to it.
        """
        if self._owner is None or os.geteuid() != 0:
            return os.open(path, flags, 0o666)
        descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o666)
        os.fchown(descriptor, *self._owner)
        return descriptor

    def reopen(self) -> None:
        """Write to a new file if the old one was moved away, to the same one otherwise."""
        stream = self._open()  # if this fails, the old one stays open
        old = self.setStream(stream)
        if old is not None:
            old.close()


class _SyslogHandler(logging.Handler):
    """Writes to syslog."""

    def emit(self, record: logging.LogRecord) -> None:
        syslog.syslog(_SYSLOG_PRIORITY[_level(record)], f"[{_area(record)}] {_message(record)}")


def _levels(level: Level | None) -> dict[str, Level]:
    """Return the lowest level of each logger."""
    return {
        "geartrain": Level.ERROR if level is None else level,
        "geartrain.server": Level.NOTICE if level is None else level,
        "asyncio": max(Level.WARNING, level or Level.ERROR),  # its debug messages are for its developers
    }


class LogSetup:
    """The log of a process, from `start` to `stop`.

    Args:
        destination: A file, ``stderr`` or ``none``.
        level: The lowest level that is logged. None means errors, and notices of the server itself: its start, the
            addresses on which it listens, its end.
        format: The format of a line.
        to_syslog: Log to syslog too.
        owner: The user and group that root gives the file to: those that the server will run as.
    """

    def __init__(
        self,
        destination: str,
        *,
        level: Level | None = None,
        format: LogFormat = LogFormat.TEXT,  # noqa: A002  # the option is called so
        to_syslog: bool = False,
        owner: tuple[int, int] | None = None,
    ) -> None:
        self._destination = destination
        self._levels = _levels(level)
        self._formatter = JsonFormatter() if format is LogFormat.JSON else TextFormatter()
        self._to_syslog = to_syslog
        self._owner = owner
        self._handlers: list[logging.Handler] = []

    @property
    def is_file(self) -> bool:
        """True if the log is a file, so that errors on stderr should be logged there too."""
        return self._destination not in ("stderr", "none")

    def start(self) -> None:
        """Set up the loggers.

        Raises:
            OSError: The file cannot be opened.
        """
        if self.is_file:
            self._handlers.append(_FileHandler(self._destination, self._owner))
        elif self._destination == "stderr":
            self._handlers.append(logging.StreamHandler(sys.stderr))
        if self._to_syslog:
            syslog.openlog("gearmand", syslog.LOG_PID, syslog.LOG_USER)
            self._handlers.append(_SyslogHandler())
        for handler in self._handlers:
            handler.setFormatter(self._formatter)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        for logger in self._loggers():
            logger.propagate = False
            logger.handlers = self._handlers or [logging.NullHandler()]

    def change_level(self, level: Level | None) -> None:
        """Change the lowest level that is logged; see ``level`` above."""
        self._levels = _levels(level)
        for name, lowest in self._levels.items():
            logging.getLogger(name).setLevel(lowest)

    def reopen(self) -> None:
        """Open the file again, which makes a new one if the old one was moved away.

        Raises:
            OSError: The file cannot be opened; the log stays in the old one.
        """
        for handler in self._handlers:
            if isinstance(handler, _FileHandler):
                handler.reopen()

    def stop(self) -> None:
        """Undo `start`: reset the loggers and close the file."""
        for name in self._levels:
            logging.getLogger(name).setLevel(logging.NOTSET)
        for logger in self._loggers():
            logger.propagate = True
            logger.handlers = []
        for handler in self._handlers:
            handler.close()
        self._handlers = []

    @staticmethod
    def _loggers() -> tuple[logging.Logger, ...]:
        return logging.getLogger("geartrain"), logging.getLogger("asyncio")
