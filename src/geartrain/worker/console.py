# SPDX-License-Identifier: MIT
"""The log of a running worker on stderr, for programs that do not set up logging."""

import logging

__all__ = ["Console"]

_LIBRARY = logging.getLogger("geartrain")


class Console:
    """A handler of the library's log, which prints time, level and message.

    Python itself prints warnings without time and level, and nothing else. A program that has set up logging gets the
    records in its own way, and `open` does nothing.
    """

    def __init__(self) -> None:
        self._handler: logging.Handler | None = None
        self._level = logging.NOTSET

    def open(self) -> None:
        """Print records from now on, unless the program handles them."""
        if _LIBRARY.hasHandlers():
            return
        self._handler = logging.StreamHandler()
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._level = _LIBRARY.level
        if self._level == logging.NOTSET:
            _LIBRARY.setLevel(logging.INFO)
        _LIBRARY.addHandler(self._handler)

    def close(self) -> None:
        """Print no more records."""
        if self._handler is not None:
            _LIBRARY.removeHandler(self._handler)
            _LIBRARY.setLevel(self._level)
            self._handler = None
