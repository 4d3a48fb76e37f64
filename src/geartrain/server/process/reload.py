# SPDX-License-Identifier: MIT
"""Reloading by SIGHUP: the log is opened again, and the options are read again from all their sources.

An error in the new options keeps all of the old ones in force: a mistake in a file must not end a running server, nor
open it to everyone.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from geartrain.errors import GeartrainError
from geartrain.server.config.kinds import OptionError
from geartrain.server.config.reloadable import changed, needs_restart, reloaded
from geartrain.server.config.sources import Invocation
from geartrain.server.levels import Level
from geartrain.server.process.logs import LogSetup
from geartrain.server.server import Server

__all__ = ["Reloader"]

log = logging.getLogger("geartrain.server")


class Reloader:
    """Applies changed options to a running server and its log.

    Args:
        server: The server.
        log_setup: Its log.
        invocation: The options that it was started with.
        read: Reads the options again.
    """

    def __init__(
        self, server: Server, log_setup: LogSetup, invocation: Invocation, read: Callable[[], Invocation]
    ) -> None:
        self._server = server
        self._log_setup = log_setup
        self._options = invocation.options
        self._file = invocation.file
        self._read = read
        self._has_begun = False
        self._is_requested = False  # before it had begun

    def begin(self) -> None:
        """Apply changes from now on, as the server has started; a request that came before is granted now."""
        self._has_begun = True
        if self._is_requested:
            self._change()

    def reload(self) -> None:
        """Change all that can change without dropping a connection, and log the options that cannot."""
        log.log(Level.NOTICE, "SIGHUP, reopening log file")
        self._reopen_log()
        if self._has_begun:
            self._change()
        else:
            self._is_requested = True

    def _reopen_log(self) -> None:
        try:
            self._log_setup.reopen()
        except OSError as error:
            log.error("Could not reopen the log file: %s", error)  # noqa: TRY400  # the traceback would add nothing

    def _change(self) -> None:
        try:
            invocation = self._read()
            self._check_file(invocation.file)
            self._log_setup.change_level(invocation.options.verbose)
            self._server.reload(invocation.options)
        except GeartrainError as error:
            self._log_setup.change_level(self._options.verbose)
            log.error("Could not reload; all options stay unchanged: %s", error)  # noqa: TRY400
            return
        self._log_changes(invocation)

    def _check_file(self, file: str | None) -> None:
        """Raise an error if the file of options is gone, and with it the rules that were in it."""
        if self._file is not None and file != self._file and not Path(self._file).exists():
            raise OptionError(f"Could not open configuration file. {self._file}: it is gone")

    def _log_changes(self, invocation: Invocation) -> None:
        old, new = self._options, invocation.options
        self._options = reloaded(old, new)
        self._file = invocation.file
        for warning in invocation.warnings:
            log.warning("%s", warning)
        later = needs_restart(old, new)
        none = "none before a restart" if later else "none"
        log.log(Level.NOTICE, "Reloaded; changed options: %s", ", ".join(changed(old, new)) or none)
        if old.access is not None and new.access is None:
            log.warning("There are no access rules any more: every peer may do everything")
        if later:
            log.warning("Restart the server to change %s", ", ".join(later))
