# SPDX-License-Identifier: MIT
"""What SIGHUP does: the log is opened anew, and the options are read once more, from where they came from.

What is wrong with the new ones keeps all of the old in force: a server that runs is not to be ended, or opened to
everybody, by a slip in a file.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from geartrain.errors import GeartrainError
from geartrain.server.config.reload import changed, needs_restart, reloaded
from geartrain.server.config.sources import Invocation
from geartrain.server.config.values import OptionError
from geartrain.server.logs import Level, LogSetup
from geartrain.server.server import Server

__all__ = ["Reloader"]

log = logging.getLogger("geartrain.server")


class Reloader:
    """Has a running server, and its log, take up options that have changed.

    Args:
        server: The server.
        log_setup: Its log.
        invocation: What it was started with.
        read: Reads the options once more.
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
        self._is_asked = False  # before it had begun

    def begin(self) -> None:
        """The server runs, and may be changed."""
        self._has_begun = True
        if self._is_asked:
            self._change()

    def reload(self) -> None:
        """Do all that can be done without dropping anybody, and say what cannot."""
        log.log(Level.NOTICE, "SIGHUP, reopening log file")
        self._reopen_log()
        if self._has_begun:
            self._change()
        else:
            self._is_asked = True

    def _reopen_log(self) -> None:
        try:
            self._log_setup.reopen()
        except OSError as error:
            log.error("Could not reopen the log file: %s", error)  # noqa: TRY400  # the traceback would say no more

    def _change(self) -> None:
        try:
            invocation = self._read()
            self._check_file(invocation.file)
            self._log_setup.change_level(invocation.options.verbose)
            self._server.reload(invocation.options)
        except GeartrainError as error:
            self._log_setup.change_level(self._options.verbose)
            log.error("Could not reload, all options stay as they were: %s", error)  # noqa: TRY400
            return
        self._take_up(invocation)

    def _check_file(self, file: str | None) -> None:
        """See that the file of options is not just gone, and with it the rules that were in it."""
        if self._file is not None and file != self._file and not Path(self._file).exists():
            raise OptionError(f"Could not open configuration file. {self._file}: it is gone")

    def _take_up(self, invocation: Invocation) -> None:
        old, new = self._options, invocation.options
        self._options = reloaded(old, new)
        self._file = invocation.file
        for warning in invocation.warnings:
            log.warning("%s", warning)
        log.log(Level.NOTICE, "Reloaded; changed options: %s", ", ".join(changed(old, new)) or "none")
        if old.access is not None and new.access is None:
            log.warning("There are no rules of access any more: everybody may do everything")
        later = needs_restart(old, new)
        if later:
            log.warning("Only a restart changes %s", ", ".join(later))
