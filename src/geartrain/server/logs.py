# SPDX-License-Identifier: MIT
"""What the server's log looks like, and where it goes.

A line of text begins as gearmand's do, so that what people grep for is where it was::

    NOTICE 2026-01-31 12:00:00.000000 [server ] Listening on 127.0.0.1:4730 (7)

Loggers are named ``geartrain.<area>``. `LogSetup` is for programs; the library logs and leaves the rest to its user.
"""

import enum
import json
import logging
import os
import re
import sys
import syslog
from datetime import datetime
from io import TextIOWrapper

from geartrain.core import levels

__all__ = ["Level", "LogFormat", "JsonFormatter", "LogSetup", "TextFormatter"]


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
    """What a line of the log is."""

    TEXT = "text"
    JSON = "json"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _level(record: logging.LogRecord) -> Level:
    """Return the level that a record has, or the next one below."""
    return next((level for level in Level if level <= record.levelno), Level.DEBUG)


def _area(record: logging.LogRecord) -> str:
    return record.name.removeprefix("geartrain.")


def _message(record: logging.LogRecord) -> str:
    """Return the message on one line, whatever names it was made of."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", record.getMessage())


class TextFormatter(logging.Formatter):
    """Lines for people. Tracebacks follow theirs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        time = datetime.fromtimestamp(record.created)  # noqa: DTZ006  # local time without a zone, as in gearmand's
        line = f"{_level(record).name:>7} {time:%Y-%m-%d %H:%M:%S.%f} [{_area(record):>6} ] {_message(record)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """Lines for programs: one JSON object each, in UTF-8."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        facts = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="microseconds"),
            "level": _level(record).name,
            "area": _area(record),
            "message": record.getMessage(),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return json.dumps(facts, ensure_ascii=False)


class _FileHandler(logging.FileHandler):
    """Writes to a file that can be opened anew after somebody has moved it away."""

    def __init__(self, path: str, owner: tuple[int, int] | None) -> None:
        self._owner = owner
        super().__init__(path, encoding="utf-8", errors="backslashreplace")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=self._open_safely)

    def _open_safely(self, path: str, flags: int) -> int:
        """Open the file, for its later owner if root does.

        That owner may be able to write to the folder, and could have root hand over any file by a link to it.
        """
        if self._owner is None or os.geteuid() != 0:
            return os.open(path, flags, 0o666)
        descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o666)
        os.fchown(descriptor, *self._owner)
        return descriptor

    def reopen(self) -> None:
        """Go on in a new file if the old one was moved away, in the same one otherwise."""
        stream = self._open()  # if this fails the old one stays
        old = self.setStream(stream)
        if old is not None:
            old.close()


class _SyslogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        syslog.syslog(_SYSLOG_PRIORITY[_level(record)], f"[{_area(record)}] {_message(record)}")


def _levels(level: Level | None) -> dict[str, Level]:
    """Return the least level of each logger."""
    return {
        "geartrain": Level.ERROR if level is None else level,
        "geartrain.server": Level.NOTICE if level is None else level,
        "asyncio": max(Level.WARNING, level or Level.ERROR),  # its debugging is not ours
    }


class LogSetup:
    """Where the log of a process goes, from `start` to `stop`.

    Args:
        destination: A file, ``stderr`` or ``none``.
        level: The least level that is logged. None stands for errors, and for what a newcomer wants to know of the
            server itself: that it has started, where it listens, that it has stopped.
        format: What a line is.
        to_syslog: Log to syslog too.
        owner: Who is to own the file if root makes it: the user that the server will run as.
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
        """Whether there is a file, so that what is said on stderr should be said there too."""
        return self._destination not in ("stderr", "none")

    def start(self) -> None:
        """Begin to log.

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
        """Log so much from now on; see ``level`` above."""
        self._levels = _levels(level)
        for name, least in self._levels.items():
            logging.getLogger(name).setLevel(least)

    def reopen(self) -> None:
        """Go on in new files where the old ones were moved away.

        Raises:
            OSError: A file cannot be opened; the log goes on where it was.
        """
        for handler in self._handlers:
            if isinstance(handler, _FileHandler):
                handler.reopen()

    def stop(self) -> None:
        """Leave the loggers as an import finds them, and close the file."""
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
