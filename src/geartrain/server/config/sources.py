# SPDX-License-Identifier: MIT
"""Where options come from: words, the environment, and files of two formats.

Each source gives the values of the options that it names, by the names of their fields. `read` joins them: the command
line wins over the environment, the environment over the configuration file, the file over the defaults.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from geartrain.core.options import Durability
from geartrain.server.config.access import access_rules, exposed_tokens
from geartrain.server.config.option import Option
from geartrain.server.config.options import COMMANDS, OPTIONS, GearmandOptions, unknown_option
from geartrain.server.config.queues import store_of
from geartrain.server.config.values import OptionError
from geartrain.server.config.words import WordReader, parse, refuse_stray

__all__ = ["DEFAULT_FILES", "Invocation", "read"]

# The first one that exists is read: ours, or else the one that gearmand would read.
DEFAULT_FILES = ("/etc/geartrain/gearmand.toml", "/etc/gearmand.conf")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the command was called for.

    Attributes:
        options: The options of the server.
        command: ``help``, ``version`` or ``check-args`` if that is all that is wanted.
        warnings: What was ignored, and why.
        file: The configuration file that was read.
    """

    options: GearmandOptions
    command: str = ""
    warnings: list[str] = field(default_factory=list)
    file: str | None = None


def read(
    words: Sequence[str], environment: Mapping[str, str], default_files: Iterable[str] = DEFAULT_FILES
) -> Invocation:
    """Read the options from all sources; ``words`` are those behind the name of the program.

    Raises:
        OptionError: Something cannot be understood; the message names its source, if that is not the command line.
    """
    given = WordReader(words, (*OPTIONS.values(), *COMMANDS.values()), refuse_stray).read()
    for command in ("help", "version"):
        if given.pop(command, False):
            return Invocation(GearmandOptions(), command)
    command = "check-args" if given.pop("check_args", False) else ""
    warnings: list[str] = []
    from_environment = _read_environment(environment, warnings)
    named = [source.pop("config_file") for source in (given, from_environment) if "config_file" in source]
    path = str(named[0]) if named else next((path for path in default_files if Path(path).exists()), None)
    from_file = _read_file(path, warnings) if path is not None else {}
    values = from_file | from_environment | given
    # The clients' tools share variables of the same purpose, so those alone mean nothing.
    if not values.get("ssl") and any(name.startswith("ssl_") for name in from_file | given):
        warnings.append("TLS is off: the other --ssl options have no effect without --ssl")
    # Each value was made by the kind of its field, which mypy has checked against the field's type.
    options = GearmandOptions(**values)  # type: ignore[arg-type]
    if options.store is None:
        options = replace(options, store=store_of(options))
    if options.store_queue_on_shutdown and "durability" not in values:
        options = replace(options, durability=Durability.SHUTDOWN)
    if options.access is not None and options.access.tokens and not options.ssl and _listens_beyond(options):
        warnings.append("TLS is off: tokens travel in clear text, and whoever reads them on their way may use them")
    return Invocation(options, command, warnings, path)


def _listens_beyond(options: GearmandOptions) -> bool:
    """Tell whether other machines can connect."""
    return not options.listen or not all(endpoint.is_local for endpoint in options.listen)


# The environment: GEARMAND_ and the name of the option. A list is separated by commas.


def _read_environment(environment: Mapping[str, str], warnings: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for option in (*OPTIONS.values(), COMMANDS["config-file"]):
        for variable in option.variables:
            text = environment.get(variable, "")
            if not text:
                continue
            # Kubernetes describes a service called gearmand to all others in variables of the same names.
            if option.name == "port" and text.startswith("tcp://"):
                warnings.append(f"ignored {variable}={text}, which describes a service and not a port to listen on")
                continue
            try:
                parsed = [parse(option, part.strip()) for part in (text.split(",") if option.many else [text])]
            except OptionError as error:
                raise OptionError(f"{variable}: {error}") from None
            values[option.attribute] = tuple(parsed) if option.many else parsed[0]
            break
    return values


# Files.


def _read_file(path: str, warnings: list[str]) -> dict[str, object]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OptionError(f"Could not open configuration file. {path}: {reason}") from None
    try:
        return _read_toml(text, path, warnings) if path.endswith(".toml") else _read_lines(text, path, warnings)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def _read_lines(text: str, path: str, warnings: list[str]) -> dict[str, object]:
    """Read gearmand's format: words as on the command line, over as many lines as one likes.

    Words that are not options are ignored there, so they are here, but not without a word. ``#`` begins a comment: that
    gearmand obeys an option behind it has surprised everybody.
    """
    lines = [re.sub(r"(^|\s)#.*", "", line).split() for line in text.splitlines()]
    words = [(word, number) for number, line in enumerate(lines, 1) for word in line]
    ignored: list[str] = []
    reader = WordReader([word for word, _ in words], OPTIONS.values(), ignored.append)
    try:
        values = reader.read()
    except OptionError as error:
        raise OptionError(f"line {words[reader.taken - 1][1]}: {error}") from None
    warnings += [f"{path}: ignored '{word}', which is no option" for word in ignored]
    return values


def _read_toml(text: str, path: str, warnings: list[str]) -> dict[str, object]:
    """Read TOML: the long options are the keys, with dashes or underscores, and there may be rules of access."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(str(error)) from None
    values: dict[str, object] = {}
    if "access" in table:
        tables = table.pop("access")
        values["access"] = access_rules(tables)
        warnings += [
            f"{file} holds tokens, and every user of this machine may read or change it; chmod o-rw {file}"
            for file in exposed_tokens(tables, path)
        ]
    for key, value in table.items():
        name = key.replace("_", "-")
        option = OPTIONS.get(name)
        if option is None:
            raise OptionError(f"{unknown_option(name, key)}; there are {', '.join(OPTIONS)}")
        if option.attribute in values:
            raise OptionError(f"option '{key}' cannot be specified more than once")
        values[option.attribute] = _from_toml(option, key, value)
    return values


def _from_toml(option: Option, key: str, value: object) -> object:
    if option.many:
        parts = value if isinstance(value, list) else [value]
        return tuple(_from_toml_single(option, key, part) for part in parts)
    return _from_toml_single(option, key, value)


def _from_toml_single(option: Option, key: str, value: object) -> object:
    # By exact type: a bool is an int to isinstance.
    if type(value) not in option.kind.toml:
        expected = " or ".join(_TOML_NAMES[kind] for kind in option.kind.toml)
        raise OptionError(f"option '{key}' is {expected}, not {value!r}")
    return value if isinstance(value, bool) else parse(option, str(value))


_TOML_NAMES: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
