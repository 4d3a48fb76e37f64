# SPDX-License-Identifier: MIT
"""The check for features that Python has on some systems only, such as ``fcntl`` on Unix."""

import sys
from collections.abc import Iterable
from importlib import import_module

from geartrain.errors import UnsupportedPlatform

__all__ = ["require", "require_server"]

_OF_THE_SERVER = ("fcntl", "grp", "pwd", "resource", "syslog", "os.fork", "os.geteuid", "os.sysconf", "signal.SIGHUP")


def require(part: str, features: Iterable[str], advice: str) -> None:
    """Check that this Python has all features that a part of Geartrain needs.

    Args:
        part: The part, as the subject of the message.
        features: Names of modules, such as ``fcntl``, and of what is in one, such as ``os.fork``.
        advice: A clause that says what to use.

    Raises:
        UnsupportedPlatform: It does not have one of them.
    """
    for feature in features:
        if not _has(feature):
            raise UnsupportedPlatform(f"{part} needs {feature}, which Python on {sys.platform} does not have; {advice}")


def require_server() -> None:
    """Check that the job server and its stores run on this system.

    Raises:
        UnsupportedPlatform: They do not.
    """
    require("the job server", _OF_THE_SERVER, "clients and workers on this system can use a server on another one")


def _has(feature: str) -> bool:
    name, _, attribute = feature.partition(".")
    try:
        module = import_module(name)
    except ImportError:
        return False
    return not attribute or hasattr(module, attribute)
