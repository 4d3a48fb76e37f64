# SPDX-License-Identifier: MIT
"""Default paths of files. They need no rights of root, except for root itself, and are never those of gearmand."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from geartrain.server.process.privileges import ProcessError
from geartrain.transport.address import DEFAULT_PORT

__all__ = ["DefaultPaths", "make_folder"]


@dataclass(frozen=True, slots=True)
class DefaultPaths:
    """Paths of the files that no option names.

    Attributes:
        environment: The variables of the process.
        is_root: Its user is root.
        home: The home folder of its user; None looks it up when it is needed, as not every user has one.
    """

    environment: Mapping[str, str]
    is_root: bool
    home: Path | None = None

    @classmethod
    def of_process(cls) -> "DefaultPaths":
        """Return the paths for the user that the process has now."""
        return cls(os.environ, os.geteuid() == 0)

    def pid_file(self, port: int) -> Path:
        """Return the path of the pid file of a daemon: one for each port."""
        name = "gearmand.pid" if port == DEFAULT_PORT else f"gearmand-{port}.pid"
        if self.is_root:
            return Path("/run/geartrain", name)
        runtime = self.environment.get("XDG_RUNTIME_DIR")
        return Path(runtime, "geartrain", name) if runtime else self._state / name

    def log_file(self) -> Path:
        """Return the path of the log of a daemon."""
        return Path("/var/log/geartrain/gearmand.log") if self.is_root else self._state / "gearmand.log"

    def store_file(self, place: int | str) -> Path:
        """Return the path of the store: one for each port, or path of a socket.

        It is in the folder that systemd has made for the service (``StateDirectory=``), if there is one.
        """
        given = self.environment.get("STATE_DIRECTORY", "").partition(":")[0]
        folder = Path(given) if given else Path("/var/lib/geartrain") if self.is_root else self._state
        return folder / f"gearmand-{str(place).strip('/').replace('/', '-')}.db"

    @property
    def _state(self) -> Path:
        state = self.environment.get("XDG_STATE_HOME")
        return Path(state, "geartrain") if state else (self.home or Path.home()) / ".local/state/geartrain"


def make_folder(file: Path, owner: tuple[int, int] | None) -> str:
    """Make the folder of a default file, for the user that the server will run as; return the file's path.

    Raises:
        ProcessError: The folder cannot be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if owner is not None and os.geteuid() == 0:
            os.chown(file.parent, *owner)
    except OSError as error:
        raise ProcessError(f"Could not create the folder {file.parent}: {error.strerror}") from error
    return str(file)
