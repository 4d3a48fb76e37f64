# SPDX-License-Identifier: MIT
"""All options of the server, joined from the declarations of its parts.

`ServerOptions` is for the `Server` object; `GearmandOptions` adds those of the process around it. A new option is
declared by the part that reads it; only a new part is named here.
"""

from dataclasses import dataclass

from geartrain.server.config.compatibility import CompatibleOptions
from geartrain.server.config.kinds import FILE, FLAG
from geartrain.server.config.option import Group, Option, options_of
from geartrain.server.connections import ConnectionOptions
from geartrain.server.core_options import JobOptions
from geartrain.server.durability.queues import QueueOptions
from geartrain.server.durability.store import StoreOptions
from geartrain.server.levels import LevelOptions
from geartrain.server.listen.acceptor import AcceptorOptions
from geartrain.server.listen.sockets import ListenOptions
from geartrain.server.process.daemonize import DaemonOptions
from geartrain.server.process.logs import LogOptions
from geartrain.server.process.pidfile import PidFileOptions
from geartrain.server.process.privileges import PrivilegeOptions
from geartrain.server.shutdown import ShutdownOptions

__all__ = ["COMMANDS", "OPTIONS", "GearmandOptions", "ServerOptions"]


@dataclass(frozen=True, kw_only=True)
class ServerOptions(
    ListenOptions,
    AcceptorOptions,
    ShutdownOptions,
    ConnectionOptions,
    JobOptions,
    StoreOptions,
    LevelOptions,
):
    """Options of a `Server`. Each is an argument, with the name of the option and underscores for its dashes."""


@dataclass(frozen=True, kw_only=True)
class GearmandOptions(
    ServerOptions,
    QueueOptions,
    LogOptions,
    DaemonOptions,
    PidFileOptions,
    PrivilegeOptions,
    CompatibleOptions,
):
    """Options of the command ``gearmand``."""


OPTIONS = options_of(GearmandOptions)


def _command(name: str, text: str, short: str = "", details: str = "") -> Option:
    return Option(kind=FLAG, group=Group.GENERAL, help=text, short=short, name=name, default=False, details=details)


# These are not options of the server, but tell the command what to do with them.
COMMANDS = {
    made.name: made
    for made in (
        _command("help", "show this help and exit", "h"),
        _command("version", "show the version and exit", "V"),
        _command(
            "check-args",
            "check the options and the files that they name, and exit",
            details="The exit status is 0 if they are right. This checks the options, the user, the certificates, and "
            "the library and the address of the store. It opens no port and no store.",
        ),
        Option(
            kind=FILE,
            group=Group.GENERAL,
            help="read options from this file: TOML if its name ends in .toml, else options as on the command line",
            details="Without this option, the server reads the first of /etc/geartrain/gearmand.toml and "
            "/etc/gearmand.conf that exists.",
            example="gearmand.toml",
            name="config-file",
        ),
    )
}
