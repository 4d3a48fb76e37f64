# SPDX-License-Identifier: MIT
"""The options of a command from all sources.

Each source gives the values of the options that it names. The command line wins over the environment, the environment
over the configuration file, the file over the defaults, and an alias counts as the option that it stands for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from geartrain.core import Durability
from geartrain.server.config.argv import WordReader, refuse_stray
from geartrain.server.config.environment import read_environment
from geartrain.server.config.files import read_file
from geartrain.server.config.kinds import OptionError
from geartrain.server.durability.queues import store_of
from geartrain.server.options import COMMANDS, OPTIONS, GearmandOptions

__all__ = ["DEFAULT_FILES", "Invocation", "read"]

# The first one that exists is read: ours, or else the one that gearmand would read.
DEFAULT_FILES = ("/etc/geartrain/gearmand.toml", "/etc/gearmand.conf")


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options of one call of the command.

    Attributes:
        options: The options of the server.
        command: ``help``, ``version`` or ``check-args`` if the call is for that alone.
        warnings: The words and values that were ignored, with the reason.
        file: The configuration file that was read.
    """

    options: GearmandOptions
    command: str = ""
    warnings: list[str] = field(default_factory=list)
    file: str | None = None


def read(
    words: Sequence[str], environment: Mapping[str, str], default_files: Iterable[str] = DEFAULT_FILES
) -> Invocation:
    """Read the options from all sources.

    Args:
        words: The command line behind the name of the program.
        environment: The variables of the process.
        default_files: The first of these that exists is read if no source names a configuration file.

    Raises:
        UsageError: The words of the command line are not understood.
        OptionError: Something else is wrong; the message names its source, if that is not the command line.
    """
    given = WordReader(words, (*OPTIONS.values(), *COMMANDS.values()), refuse_stray).read()
    for command in ("help", "version"):
        if given.pop(command, False):
            return Invocation(GearmandOptions(), command)
    command = "check-args" if given.pop("check_args", False) else ""
    warnings: list[str] = []
    from_environment = read_environment(environment, (*OPTIONS.values(), COMMANDS["config-file"]), warnings)
    named = [source.pop("config_file") for source in (given, from_environment) if "config_file" in source]
    path = str(named[0]) if named else next((path for path in default_files if Path(path).exists()), None)
    from_file = read_file(path, OPTIONS, warnings) if path is not None else {}
    for source, written in ((given, "the command line"), (from_environment, "the environment"), (from_file, str(path))):
        _check_aliases(source, written)
    values = _merge((from_file, from_environment, given))
    # The clients' tools share variables of the same purpose, so those alone mean nothing.
    if not values.get("ssl") and any(name.startswith("ssl_") for name in from_file | given):
        warnings.append("TLS is off: the other --ssl options have no effect without --ssl")
    # Each value was made by the kind of its field, which mypy has checked against the field's type.
    options = GearmandOptions(**values)  # type: ignore[arg-type]
    if options.store is None:
        options = replace(options, store=store_of(options, warnings))
    if options.store_queue_on_shutdown and "durability" not in values:
        options = replace(options, durability=Durability.SHUTDOWN)
    if options.access is not None and options.access.tokens and not options.ssl and _listens_beyond(options):
        warnings.append("TLS is off: tokens travel in clear text, and can be read on their way and used by others")
    return Invocation(options, command, warnings, path)


def _check_aliases(source: Mapping[str, object], written: str) -> None:
    """Raise an error for a source that sets an option in two ways, of which it cannot mean both."""
    for alias, target in _ALIASES.items():
        if source.get(alias) and target in source:
            names = [f"--{name.replace('_', '-')}" for name in (alias, target)]
            raise OptionError(f"{written} has {names[0]} and {names[1]}, which set the same option; leave one out")


def _merge(sources: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Join sources, the weakest first. One that names an option, or an alias of it, replaces both of weaker ones."""
    merged: dict[str, object] = {}
    for source in sources:
        for alias, target in _ALIASES.items():
            if source.get(alias) or target in source:
                for name in (alias, target):
                    merged.pop(name, None)
        merged |= source
    return merged


# The alias and its option, by attribute.
_ALIASES = {option.attribute: option.alias_of for option in OPTIONS.values() if option.alias_of}


def _listens_beyond(options: GearmandOptions) -> bool:
    """Tell whether other machines can connect."""
    return not options.listen or not all(endpoint.is_local for endpoint in options.listen)
