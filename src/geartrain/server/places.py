# SPDX-License-Identifier: MIT
"""Where a daemon keeps its files when nobody says where. They do not need root, and never mix with gearmand's."""

import os
from collections.abc import Mapping
from pathlib import Path

from geartrain.server.process import ProcessError
from geartrain.transport.address import DEFAULT_PORT

__all__ = ["default_log_file", "default_pid_file", "default_store_file", "make_room"]


def default_pid_file(environment: Mapping[str, str], port: int) -> Path:
    """Return where the pid file of a daemon is when nobody says otherwise: one for each port."""
    name = "gearmand.pid" if port == DEFAULT_PORT else f"gearmand-{port}.pid"
    if os.geteuid() == 0:
        return Path("/run/geartrain", name)
    runtime = environment.get("XDG_RUNTIME_DIR")
    return Path(runtime, "geartrain", name) if runtime else _state(environment) / name


def default_log_file(environment: Mapping[str, str]) -> Path:
    """Return where a daemon's log is when nobody says otherwise."""
    return Path("/var/log/geartrain/gearmand.log") if os.geteuid() == 0 else _state(environment) / "gearmand.log"


def default_store_file(environment: Mapping[str, str], place: int | str) -> Path:
    """Return where a server's jobs are kept when nobody says otherwise: a file for each port, or path of a socket."""
    folder = Path("/var/lib/geartrain") if os.geteuid() == 0 else _state(environment)
    return folder / f"gearmand-{str(place).strip('/').replace('/', '-')}.db"


def _state(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local/state", "geartrain")


def make_room(file: Path, owner: tuple[int, int] | None) -> str:
    """Return the path of a default file when its folder is there, and belongs to the user that the server will run as.

    Raises:
        ProcessError: It cannot be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if owner is not None and os.geteuid() == 0:
            os.chown(file.parent, *owner)
    except OSError as error:
        raise ProcessError(f"Could not make the folder {file.parent}: {error.strerror}") from error
    return str(file)
