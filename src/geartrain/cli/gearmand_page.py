# SPDX-License-Identifier: MIT
"""The manual of `gearmand`, made from the declarations of the server's options."""

from geartrain.cli.options import NOTHING, ONE, Option
from geartrain.cli.page import Page
from geartrain.server.config.kinds import FILE
from geartrain.server.config.option import Group
from geartrain.server.config.option import Option as ServerOption
from geartrain.server.config.sources import DEFAULT_FILES
from geartrain.server.options import COMMANDS, OPTIONS

__all__ = ["PAGE", "grouped"]


def grouped() -> dict[Group, list[ServerOption]]:
    """Return all options of the command by group."""
    every = (*COMMANDS.values(), *OPTIONS.values())
    return {group: [option for option in every if option.group is group] for group in Group}


def _converted(option: ServerOption) -> Option:
    default = option.shown_default
    return Option(
        f"-{option.short} --{option.name}" if option.short else f"--{option.name}",
        f"{option.help} [{default}]" if default else option.help,
        argument=option.kind.metavar,
        takes=NOTHING if option.is_flag else ONE,
        words=option.kind.words,
        files=option.kind is FILE,
        details=option.details,
    )


PAGE = Page(
    "gearmand",
    "run a Gearman job server",
    usage=["[option ...]", "store inspect|export|import ..."],
    introduction="""\
Run a job server: clients submit jobs to it, and workers grab them from it. Without options, it listens on port 4730 of
all addresses and stays in the foreground.
""",
    options={group.value: [_converted(option) for option in options] for group, options in grouped().items()},
    sections={
        "Sources of options": f"""\
Each option can also be set by an environment variable, such as GEARMAND_PORT=4731 for --port, or in a file. The file is
that of --config-file. Without this option, it is {DEFAULT_FILES[0]} or, if that does not exist,
{DEFAULT_FILES[1]}. The command line overrides variables, and variables override the file.""",
        "Signals": """\
SIGTERM and SIGINT stop the server as soon as the running jobs have ended, but at the latest after --drain-timeout. A
second one stops it at once. SIGUSR1 stops the server as soon as the running jobs have ended, without a time limit.
SIGHUP reopens the log, and reloads limits, access rules and TLS certificates.""",
        "Stores": """\
The command gearmand store shows, exports and imports the jobs of a store. See gearmand store --help.""",
    },
    number=8,
)
