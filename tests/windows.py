# SPDX-License-Identifier: MIT
"""A Python that lacks what the one of Windows lacks, for a child process of a test."""

import asyncio
import os
import select
import signal
import socket
import sys
from importlib import import_module
from typing import NoReturn

__all__ = ["pretend"]

_MODULES = ("fcntl", "grp", "pwd", "resource", "syslog", "termios")
_NEEDED = ("concurrent.futures.thread", "logging", "ssl", "subprocess", "tempfile", "uuid")
_FUNCTIONS = {
    os: "chown fchmod fork geteuid getuid initgroups killpg register_at_fork setpgid setsid setuid sysconf uname",
    select: "epoll poll",
    signal: "pthread_sigmask setitimer SIGCHLD SIGHUP SIGKILL SIGUSR1",
    socket: "AF_UNIX",
}


def pretend() -> None:
    """Remove from Python what Windows does not have; to be called before Geartrain is imported.

    Modules of the standard library that ask for the system when they are imported have to be there already.
    """
    assert not any(name.startswith("geartrain") for name in sys.modules), "Geartrain has seen another system"
    for name in _NEEDED:
        import_module(name)
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # an import fails
    pair, family = socket.socketpair, socket.AF_UNIX
    socket.socketpair = lambda *_: pair(family)  # Python on Windows makes one of TCP
    for module, names in _FUNCTIONS.items():
        for name in names.split():
            delattr(module, name)
    sys.platform = "win32"
    asyncio.SelectorEventLoop.add_signal_handler = _not_here  # type: ignore[method-assign]
    asyncio.SelectorEventLoop.remove_signal_handler = _not_here  # type: ignore[method-assign]
    asyncio.SelectorEventLoop.create_unix_connection = _not_here  # type: ignore[method-assign]


def _not_here(*_: object, **__: object) -> NoReturn:
    raise NotImplementedError
