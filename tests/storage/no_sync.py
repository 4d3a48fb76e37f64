# SPDX-License-Identifier: MIT
"""A disk that does not sync: ``fsync`` and ``fdatasync`` of this process fail from now on.

Linux has a filter for system calls (seccomp) that makes them fail without being carried out. It cannot be taken off
again, so it is for a process of its own: ``python -m tests.storage.no_sync sqlite FOLDER``.
"""

import asyncio
import ctypes
import errno
import platform
import struct
import sys
from pathlib import Path

from geartrain.cli import gearmand
from geartrain.core.record import JobRecord
from geartrain.storage import StoreError
from geartrain.storage.sqlite import SQLiteStore
from geartrain.testing.stores import put_new

__all__ = ["SYSTEM_CALLS", "let_syncs_fail"]

# Numbers of fsync, fdatasync and seccomp.
SYSTEM_CALLS = {"x86_64": (74, 75, 317), "aarch64": (82, 83, 277)}

_PR_SET_NO_NEW_PRIVS, _SECCOMP_SET_MODE_FILTER, _ALL_THREADS = 38, 1, 1
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


def let_syncs_fail() -> None:
    """Let system calls that sync a file fail with an input/output error, in all threads."""
    fsync, fdatasync, seccomp = SYSTEM_CALLS[platform.machine()]
    instructions = [
        (_LOAD_WORD, 0, 0, 0),  # the number of the system call
        (_JUMP_IF_EQUAL, 2, 0, fsync),
        (_JUMP_IF_EQUAL, 1, 0, fdatasync),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL | errno.EIO),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in instructions))
    descriptor = struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(
        seccomp, _SECCOMP_SET_MODE_FILTER, _ALL_THREADS, descriptor
    ):
        raise OSError(ctypes.get_errno(), "the filter was refused")


async def _commit(folder: Path) -> None:
    """Commit a job that is synced and one that is not; print what came of them."""
    store = SQLiteStore(folder / "jobs.db")
    await store.open()
    await store.commit([put_new([JobRecord(1, b"H:1", b"f")])])
    print("stored")
    let_syncs_fail()
    try:
        await store.commit([put_new([JobRecord(2, b"H:2", b"f")])])
    except StoreError as error:
        print(error.outcome.value)
    await store.close()


def _export(folder: Path) -> int:
    let_syncs_fail()
    return gearmand.main(["store", "export", f"sqlite:{folder}/jobs.db", f"{folder}/jobs.json"])


if __name__ == "__main__":
    if sys.argv[1] == "sqlite":
        asyncio.run(_commit(Path(sys.argv[2])))
    else:
        sys.exit(_export(Path(sys.argv[2])))
