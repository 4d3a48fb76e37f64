# SPDX-License-Identifier: MIT
"""The first lines of the log: version, limits, and a warning if no store keeps background jobs."""

import logging
import os

from geartrain._version import __version__
from geartrain.core import IS_COMPILED
from geartrain.server.config.kinds import SIZE
from geartrain.server.config.option import Option, options_of
from geartrain.server.levels import Level, verbosity
from geartrain.server.options import ServerOptions

__all__ = ["log_start"]

log = logging.getLogger("geartrain.server")

_LIMIT = "max-"  # the names of all options that limit a number or a size begin so


def log_start(options: ServerOptions, *, has_store: bool) -> None:
    """Log what a reader of the log has to know first; the line of the store and the addresses follow."""
    pid, how = os.getpid(), "compiled" if IS_COMPILED else "interpreted"
    level = verbosity(options)
    shown = level if options.verbose is not None else f"{level} (NOTICE for the server itself)"
    fields = {"event": "start", "version": __version__, "pid": pid, "verbose": level, "build": how}
    message = "Starting up with pid %d, verbose is set to %s; Geartrain %s, %s"
    log.log(Level.NOTICE, message, pid, shown, __version__, how, extra={"fields": fields})
    _log_limits(options)
    if not has_store:
        message = "Background jobs are kept in memory only, and are lost when the server stops"
        log.log(Level.NOTICE, message, extra={"fields": {"event": "store", "store": "none"}})


def _log_limits(options: ServerOptions) -> None:
    declared = [option for name, option in options_of(ServerOptions).items() if name.startswith(_LIMIT)]
    limits = [(option, getattr(options, option.attribute)) for option in declared]
    on = ", ".join(f"{option.name} {_shown(option, value)}" for option, value in limits if value)
    off = ", ".join(option.name for option, value in limits if not value)
    fields = {"event": "limits", **{option.attribute: value for option, value in limits}}
    log.log(Level.NOTICE, "Limits: %s%s", on, f"; none for {off}" if off else "", extra={"fields": fields})


def _shown(option: Option, value: int) -> str:
    """Return a limit, and a size in the largest unit that fits, with at most one decimal."""
    if option.kind.metavar != SIZE.metavar:
        return str(value)
    unit, size = max((each for each in _UNITS.items() if each[1] <= value), key=lambda each: each[1], default=("B", 1))
    return f"{round(value / size, 1):g} {unit}"


_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
