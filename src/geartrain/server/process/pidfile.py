# SPDX-License-Identifier: MIT
"""A file that holds the id of the running process."""

import contextlib
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from geartrain.errors import GeartrainError
from geartrain.server.config.kinds import FILE
from geartrain.server.config.option import Group, option

__all__ = ["PidFile", "PidFileError", "PidFileOptions"]


@dataclass(frozen=True, kw_only=True)
class PidFileOptions:
    """The path of the pid file."""

    pid_file: str | None = option(
        None,
        FILE,
        Group.PROCESS,
        "file for the process id",
        short="P",
        details="The server locks the file, so a second server with the same file does not start. With "
        "--daemon, the default is /run/geartrain/gearmand.pid for root, otherwise a file in "
        "$XDG_RUNTIME_DIR/geartrain.",
        example="/run/gearmand.pid",
        default_text="none; with --daemon, a file",
    )


class PidFileError(GeartrainError):
    """The file cannot be written, or belongs to a server that is running."""


class PidFile:
    """Holds the file inside a ``with``, and removes it at the end.

    The process locks the file for as long as it lives. The lock tells a file in use from one that was left behind; the
    number in it does not, as after a reboot it may be that of another process.

    Args:
        path: The file.
        opener: Opens it, as ``os.open`` does.
    """

    def __init__(self, path: str, *, opener: Callable[[Path, int, int], int] = os.open) -> None:
        self._path = Path(path)
        self._opener = opener
        self._descriptor = -1

    def __enter__(self) -> "PidFile":
        try:
            self._descriptor = self._open_locked()
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, b"%d\n" % os.getpid())
        except OSError as error:
            raise PidFileError(f"Could not write the pid file {self._path}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A server that has changed its user may not have the right to. The lock ends anyway.
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)

    def _open_locked(self) -> int:
        """Return the descriptor of the file, locked and in its place."""
        while True:
            descriptor = self._opener(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_there(descriptor):
                    return descriptor
            except BlockingIOError:
                pid = os.read(descriptor, 32).decode(errors="replace").strip()
                os.close(descriptor)
                raise PidFileError(f"The pid file {self._path} belongs to a running server, pid {pid}") from None
            os.close(descriptor)  # its last owner removed it while we were opening it

    def _is_there(self, descriptor: int) -> bool:
        """Tell whether the path still leads to the file that was opened."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.lstat())
        except FileNotFoundError:
            return False
