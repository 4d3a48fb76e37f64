# SPDX-License-Identifier: MIT
"""The process around a server: its limits and its user."""

import contextlib
import os
import pwd
import resource

from geartrain.errors import GeartrainError

__all__ = ["ProcessError", "allow_descriptors", "become", "check_may_become", "ids_of"]


class ProcessError(GeartrainError):
    """The system does not let the process do what was asked for."""


def allow_descriptors(number: int | None) -> None:
    """Set how many files and connections may be open, or allow as many as the user may have.

    Raises:
        ProcessError: The number is more than the user may have.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if number is None:
        with contextlib.suppress(OSError, ValueError):  # what there is has to do
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return
    try:
        most = hard if hard == resource.RLIM_INFINITY else max(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, most))
    except (OSError, ValueError) as error:
        raise ProcessError(f"Could not allow {number} file descriptors; the limit is {hard}") from error


def ids_of(user: str) -> tuple[int, int]:
    """Return the ids of a user and its group. The user must exist."""
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def check_may_become(user: str) -> None:
    """Raise `ProcessError` if `become` will not be able to."""
    if os.geteuid() not in (0, ids_of(user)[0]):
        raise ProcessError(f"Must be root to switch to the user {user}")


def become(user: str) -> None:
    """Give up all rights but those of a user and its groups, for good."""
    uid, gid = ids_of(user)
    if os.geteuid() == 0:
        os.initgroups(user, gid)
        os.setgid(gid)
        os.setuid(uid)
