# SPDX-License-Identifier: MIT
"""The rights of the process: its user, and its limit of file descriptors."""

import contextlib
import os
import pwd
import resource
from dataclasses import dataclass

from geartrain.errors import GeartrainError
from geartrain.server.config.kinds import Kind, OptionError, number
from geartrain.server.config.option import Group, option

__all__ = [
    "LEAST_DESCRIPTORS",
    "PrivilegeOptions",
    "ProcessError",
    "allow_descriptors",
    "check_may_switch_to",
    "ids_of",
    "switch_to",
]


LEAST_DESCRIPTORS = 24  # the log, the loop, the store and one socket that listens take most of them


class ProcessError(GeartrainError):
    """The system does not give the process a right that it was told to use."""


def _user(text: str) -> str:
    try:
        pwd.getpwnam(text)
    except (KeyError, ValueError):
        raise OptionError(f"Could not find user : {text}") from None
    return text


@dataclass(frozen=True, kw_only=True)
class PrivilegeOptions:
    """The user to switch to, and the limit of file descriptors."""

    user: str | None = option(
        None,
        Kind("USER", _user),
        Group.PROCESS,
        "the user to run as, if root starts the server",
        short="u",
        details="The server reads certificates and opens ports as root, and then gives up root's rights. The log and "
        "the store belong to this user.",
        example="daemon",
    )
    file_descriptors: int | None = option(
        None,
        number(0),
        Group.PROCESS,
        "maximum number of open files and connections",
        short="f",
        details="Each connection needs one file descriptor, and the server itself needs some. If the number is too "
        "small, the server uses a larger one and logs a warning.",
        example="65536",
        default_text="as many as the system allows",
    )


def allow_descriptors(number: int | None) -> int | None:
    """Set the limit of file descriptors, and return it; None stands for the highest that the user may have.

    Fewer than `LEAST_DESCRIPTORS` are raised to that number.

    Raises:
        ProcessError: The number is more than the user may have.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if number is None:
        with contextlib.suppress(OSError, ValueError):  # the limit stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return None
    number = max(number, LEAST_DESCRIPTORS)
    try:
        most = hard if hard == resource.RLIM_INFINITY else max(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, most))
    except (OSError, ValueError) as error:
        raise ProcessError(f"Could not allow {number} file descriptors; the limit is {hard} (ulimit -Hn)") from error
    return number


def ids_of(user: str) -> tuple[int, int]:
    """Return the ids of a user and its group. The user must exist."""
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def check_may_switch_to(user: str, uid: int) -> None:
    """Raise `ProcessError` if a process of this user id cannot `switch_to` the user."""
    if uid not in (0, ids_of(user)[0]):
        raise ProcessError(f"Must be root to switch to the user {user}")


def switch_to(user: str) -> None:
    """Give up all rights but those of a user and its groups, for good."""
    uid, gid = ids_of(user)
    if os.geteuid() == 0:
        os.initgroups(user, gid)
        os.setgid(gid)
        os.setuid(uid)
