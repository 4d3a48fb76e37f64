# SPDX-License-Identifier: MIT
"""Locks and checks of a SQLite file, which SQLite leaves to its users.

A server holds two locks as long as it runs. ``FILE.lock`` has its process id, and also holds while the file itself is
gone. The other lock is on the file, so that a symbolic or hard link leads to the same lock. It is a lock of an open
file description, on a byte that SQLite does not use: SQLite's own locks are unaffected by it. They belong to the
process, and closing any descriptor of the file drops them. So the descriptor is closed after SQLite's, and a second
store of the same process is refused before it opens the file.

SQLite goes on with a file that was deleted, replaced or cut, and everything that it stores is lost. So the file and its
log are compared before each commit with those that were opened.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
import stat
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from geartrain.storage.store import CommitOutcome, StoreError
from geartrain.wording import counted

__all__ = ["SQLiteFile"]

log = logging.getLogger("geartrain.store")

_LOCK_CONTENT = re.compile(rb"[0-9]{0,20}\n?")
_LOCKED_BYTE = 2**62  # SQLite locks bytes from 2**30 on, and files are smaller than this
_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_LOG_HEADER = 32
_PRIVATE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_held: set[tuple[int, int]] = set()  # device and inode of the files that stores of this process use
_holding = threading.Lock()


class _Part:
    """A file that SQLite has open, as it was at the last check.

    Args:
        path: Its path.

    Attributes:
        size: Its size at the last check.
    """

    __slots__ = ("key", "path", "size")

    def __init__(self, path: str) -> None:
        found = os.stat(path)  # noqa: PTH116
        self.path = path
        self.key = (found.st_dev, found.st_ino)
        self.size = found.st_size

    def check(self) -> int:
        """Check that the file is in its place; return its size.

        Raises:
            StoreError: It is not; the next check may succeed.
        """
        try:
            found = os.stat(self.path)  # noqa: PTH116  # called for each commit
        except FileNotFoundError:
            raise _failure(
                f"{self.path} was deleted or moved. Its jobs are still in the server's memory: move it back, or let "
                "workers finish them and restart the server"
            ) from None
        if (found.st_dev, found.st_ino) != self.key:
            raise _failure(
                f"{self.path} was replaced by another file. Its jobs are still in the server's memory: move it back, "
                "or let workers finish them and restart the server, which then reads the other file"
            )
        return found.st_size


class SQLiteFile:
    """A SQLite file that belongs to one server.

    Args:
        path: Its path; links are followed.
    """

    def __init__(self, path: Path) -> None:
        self._given = path
        self._path = os.path.realpath(path)
        self._lock: int | None = None
        self._descriptor: int | None = None
        self._key: tuple[int, int] | None = None
        self._database: _Part | None = None
        self._log: _Part | None = None
        self._index: _Part | None = None
        self._damage: str | None = None

    @property
    def path(self) -> str:
        """The path without links; SQLite's other files are beside it."""
        return self._path

    # Opening.

    def open(self) -> None:
        """Lock the file, and check it as far as that is possible without SQLite. A new file is empty.

        Raises:
            StoreError: Another server uses it, or it cannot be a database of ours.
            OSError: It cannot be opened.
        """
        found = self._found()
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{self._given}: this is not a regular file")  # whose mode would be changed below
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        lock = self._take_lock()
        self._check_remains(lock)
        with _holding:
            self._open_and_lock(lock)
        self._check_header()

    def _found(self) -> os.stat_result | None:
        try:
            return os.stat(self._path)  # noqa: PTH116
        except FileNotFoundError:
            return None

    def _take_lock(self) -> int:
        """Lock out other servers. SQLite releases its own locks between two transactions."""
        name = f"{self._path}.lock"
        try:
            self._lock = lock = os.open(name, _PRIVATE, 0o600)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise StoreError(f"{name}: this is a symbolic link, which the server does not follow") from None
            raise
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
            raise self._in_use(f"process {holder or 'unknown'}") from None
        status = os.fstat(lock)
        is_ours = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
        if not is_ours or not _LOCK_CONTENT.fullmatch(os.pread(lock, 64, 0)):
            raise StoreError(f"{name}: this is not the lock of a server, so it is left as it is; move it away")
        return lock

    def _check_remains(self, lock: int) -> None:
        """Check that an empty or missing file is not what is left of a queue."""
        found = self._found()
        if found is not None and found.st_size:
            return
        remains = [f"{self._path}-wal"] if _size(f"{self._path}-wal") else []
        if found is not None:
            remains += [name for name in (f"{self._path}-shm",) if os.path.exists(name)]  # noqa: PTH110
            remains += [f"{self._path}.lock"] if os.fstat(lock).st_size else []
        if remains:
            state = "is empty" if found is not None else "does not exist"
            raise StoreError(
                f"{self._given}: the file {state}, but {remains[0]} shows that it had a queue. Restore it from a "
                f"backup; for an empty queue, delete {' and '.join(remains)}"
            )

    def _open_and_lock(self, lock: int) -> None:
        found = self._found()
        if found is None:
            os.ftruncate(lock, 0)  # so that after a crash it does not testify that the new file had jobs
        elif (found.st_dev, found.st_ino) in _held:
            raise self._in_use("under another name")
        descriptor = os.open(self._path, _PRIVATE, 0o600)
        try:
            _lock_byte(descriptor)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            raise self._in_use("under another name") from None
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self._key = (status.st_dev, status.st_ino)
        _held.add(self._key)

    def _in_use(self, by: str) -> StoreError:
        return StoreError(f"{self._given}: another server uses this file ({by})")

    def _check_header(self) -> None:
        """Check the first bytes of a file that has some, and make it private."""
        assert self._descriptor is not None, "it was opened"
        header = os.pread(self._descriptor, _HEADER, 0)
        if header and not header.startswith(_MAGIC):
            raise StoreError(f"{self._given}: file is not a database")
        os.fchmod(self._descriptor, 0o600)  # workloads are private to the server's user
        size = os.fstat(self._descriptor).st_size
        needed = _size_in(header)
        if size < needed and not _size(f"{self._path}-wal"):  # a log may have the pages that are missing
            raise StoreError(
                f"{self._given}: the file is damaged: it has {size} of {needed} bytes. Restore it from a backup"
            )

    def confirm(self) -> None:
        """Record that the database has been created: from now on, an empty file is a damaged one."""
        assert self._lock is not None, "it was opened"
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)

    def watch(self) -> None:
        """Remember the files as they are now that SQLite has opened them."""
        self._database = _Part(self._path)
        self._log = _Part(f"{self._path}-wal")
        self._index = _Part(f"{self._path}-shm")

    # While it is open.

    def check(self, database_size: Callable[[], int], log_size: Callable[[], int]) -> None:
        """Check that the files are those that SQLite opened, and not cut: three calls of ``stat``.

        Args:
            database_size: Returns the bytes that the file has for SQLite; called if there are fewer than before.
            log_size: The same for the log. Both may become smaller, such as by a ``VACUUM`` of another process.

        Raises:
            StoreError: One was deleted, replaced or cut. After a cut, all further checks fail.
        """
        if self._damage is not None:
            raise _failure(self._damage)
        self._restore_index()  # first, as SQLite looks at it for the sizes
        for part, size_of in ((self._database, database_size), (self._log, log_size)):
            assert part is not None, "it is watched"
            size = part.check()
            if size < part.size and size < size_of():
                self._damage = (
                    f"{part.path} was cut from {part.size} to {size} bytes. Its jobs are still in the server's memory: "
                    "let workers finish them, and restart the server with a file from a backup"
                )
                raise _failure(self._damage)
            part.size = size

    def committed(self) -> None:
        """Record that SQLite has written to its log, so that it has a header at least."""
        assert self._log is not None, "it is watched"
        self._log.size = self._log.size or _LOG_HEADER

    def _restore_index(self) -> None:
        """Give the index of the log its size again if it was cut.

        SQLite maps it into memory, and a signal would end the process that reads behind its end. An index of zeros is
        made again from the log.
        """
        index = self._index
        assert index is not None, "it is watched"
        size = index.check()
        if size < index.size:
            os.truncate(index.path, index.size)
            log.warning("%s was cut from %d to %s; it is made again", index.path, index.size, counted(size, "byte"))
        index.size = max(size, index.size)

    def prepare_close(self) -> None:
        """Prevent that SQLite, as it closes its files, reads behind the end of one that is mapped into memory."""
        if self._index is not None:
            with contextlib.suppress(StoreError, OSError):
                self._restore_index()

    def close(self) -> None:
        """Release the locks; SQLite has closed its files, whose locks this drops."""
        with _holding:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            if self._key is not None:
                _held.discard(self._key)
                self._key = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._database = self._log = self._index = None


def _failure(message: str) -> StoreError:
    return StoreError(message, CommitOutcome.NOT_STORED)


def _size(path: str) -> int:
    """Return the size of a file, or 0 if it does not exist."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return 0


def _size_in(header: bytes) -> int:
    """Return the size of a database by its header, or 0 if that does not say."""
    if len(header) < _HEADER or header[24:28] != header[92:96]:  # otherwise an old SQLite wrote it last
        return 0
    page_size = int.from_bytes(header[16:18], "big")
    return (65536 if page_size == 1 else page_size) * int.from_bytes(header[28:32], "big")


def _lock_byte(descriptor: int) -> None:
    """Lock a byte of a file that SQLite does not use.

    Raises:
        OSError: Another process has it locked, or another descriptor of this one; or there are no locks here.
    """
    if sys.platform == "linux":
        request = struct.pack("@hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, _LOCKED_BYTE, 1, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
    else:  # a lock of the process, like those of SQLite
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCKED_BYTE)
