# SPDX-License-Identifier: MIT
"""Where options come from: words, the environment, and files of two formats.

Each source gives the values of the options that it names, by the names of their fields. `read` joins them: the command
line wins over the environment, the environment over the configuration file, the file over the defaults.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeAlias

from geartrain.server.option import Option
from geartrain.server.options import COMMANDS, OPTIONS, GearmandOptions
from geartrain.server.values import OptionError

__all__ = ["DEFAULT_FILES", "Invocation", "read"]

Table: TypeAlias = Mapping[str, Option]
Values: TypeAlias = dict[str, object]

# The first one that exists is read: ours, or else the one that gearmand would read.
DEFAULT_FILES = ("/etc/geartrain/gearmand.toml", "/etc/gearmand.conf")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the command was called for.

    Attributes:
        options: The options of the server.
        command: ``help``, ``version`` or ``check-args`` if that is all that is wanted.
        warnings: What was ignored, and why.
    """

    options: GearmandOptions
    command: str = ""
    warnings: list[str] = field(default_factory=list)


def read(
    words: Sequence[str], environment: Mapping[str, str], default_files: Iterable[str] = DEFAULT_FILES
) -> Invocation:
    """Read the options from all sources; ``words`` are those behind the name of the program.

    Raises:
        OptionError: Something cannot be understood; the message names its source, if that is not the command line.
    """
    given = _read_words(list(words), {**OPTIONS, **COMMANDS}, _refuse_stray)
    for command in ("help", "version"):
        if given.pop(command, False):
            return Invocation(GearmandOptions(), command)
    command = "check-args" if given.pop("check_args", False) else ""
    warnings: list[str] = []
    from_environment = _read_environment(environment, warnings)
    named = given.pop("config_file", None) or from_environment.pop("config_file", None)
    path = str(named) if named else next((path for path in default_files if Path(path).exists()), None)
    from_file = _read_file(path, warnings) if path is not None else {}
    values = from_file | from_environment | given
    # Each value was made by the kind of its field, which mypy has checked against the field's type.
    return Invocation(GearmandOptions(**values), command, warnings)  # type: ignore[arg-type]


# Words: `--name=value`, `--name value`, `-n value`, `-nvalue`, and flags in one word as in `-dR`.


def _read_words(words: list[str], table: Table, stray: Callable[[str], None]) -> Values:
    shorts = {option.short: option for option in table.values() if option.short}
    values = _Values()
    words.reverse()  # to be taken from the end
    while words:
        word = words.pop()
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            option = table.get(name)
            if option is None:
                raise OptionError(f"unrecognised option '--{name}'")
            if option.is_flag:
                if equals:
                    raise OptionError(f"option '--{name}' does not take any arguments")
                values.add(option, True)
            elif equals:
                values.add(option, _parse(option, value))
            else:
                values.add(option, _parse(option, _next_value(option, words, shorts)))
        elif word.startswith("-") and len(word) > 1:
            _read_letters(word, shorts, words, values)
        else:
            stray(word)
    return values.finish()


def _read_letters(word: str, shorts: Table, words: list[str], values: "_Values") -> None:
    position = 1
    while position < len(word):
        option = shorts.get(word[position])
        if option is None:
            raise OptionError(f"unrecognised option '{word}'")
        position += 1
        if option.steps:
            values.step(option)
        elif option.is_flag:
            values.add(option, True)
        else:
            rest = word[position:]
            values.add(option, _parse(option, rest or _next_value(option, words, shorts)))
            return


def _next_value(option: Option, words: list[str], shorts: Table) -> str:
    """Take the next word. One that is an option means that the value was forgotten; ``-1`` is none."""
    if not words or words[-1].startswith("--") or (words[-1][:1] == "-" and words[-1][1:2] in shorts):
        raise OptionError(f"the required argument for option '--{option.name}' is missing")
    return words.pop()


def _refuse_stray(word: str) -> NoReturn:
    raise OptionError(f"unrecognised option '{word}'")


class _Values:
    """What has been given so far: an option once, unless it may be given several times."""

    def __init__(self) -> None:
        self._values: Values = {}
        self._lists: dict[str, list[object]] = {}
        self._steps: dict[str, int] = {}

    def add(self, option: Option, value: object) -> None:
        if option.many:
            self._lists.setdefault(option.attribute, []).append(value)
        elif option.attribute in self._values:
            raise OptionError(f"option '--{option.name}' cannot be specified more than once")
        else:
            self._values[option.attribute] = value

    def step(self, option: Option) -> None:
        """Take the short form of an option that counts, which goes one step on each time."""
        steps = self._steps.get(option.attribute, 0)
        if steps:
            del self._values[option.attribute]
        self.add(option, option.kind.parse(option.steps[min(steps, len(option.steps) - 1)]))
        self._steps[option.attribute] = steps + 1

    def finish(self) -> Values:
        return self._values | {attribute: tuple(values) for attribute, values in self._lists.items()}


def _parse(option: Option, text: str) -> object:
    try:
        return option.kind.parse(text)
    except ValueError as error:
        raise OptionError(
            f"the argument ('{text}') for option '--{option.name}' is invalid: {error} is expected"
        ) from None


# The environment: GEARMAND_ and the name of the option. A list is separated by commas.


def _read_environment(environment: Mapping[str, str], warnings: list[str]) -> Values:
    values: Values = {}
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
                parsed = [_parse(option, part.strip()) for part in (text.split(",") if option.many else [text])]
            except OptionError as error:
                raise OptionError(f"{variable}: {error}") from None
            values[option.attribute] = tuple(parsed) if option.many else parsed[0]
            break
    return values


# Files.


def _read_file(path: str, warnings: list[str]) -> Values:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OptionError(f"Could not open configuration file. {path}: {reason}") from None
    try:
        return _read_toml(text) if path.endswith(".toml") else _read_lines(text, path, warnings)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def _read_lines(text: str, path: str, warnings: list[str]) -> Values:
    """Read gearmand's format: words as on the command line, over as many lines as one likes.

    Words that are not options are ignored there, so they are here, but not without a word. ``#`` begins a comment: that
    gearmand obeys an option behind it has surprised everybody.
    """
    words = re.sub(r"(^|\s)#.*", r"\1", text).split()
    ignored: list[str] = []
    values = _read_words(words, OPTIONS, ignored.append)
    warnings += [f"{path}: ignored '{word}', which is no option" for word in ignored]
    return values


def _read_toml(text: str) -> Values:
    """Read TOML: the long options are the keys, with dashes or underscores."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(str(error)) from None
    values: Values = {}
    for key, value in table.items():
        option = OPTIONS.get(key.replace("_", "-"))
        if option is None:
            raise OptionError(_unknown_key(key))
        if option.attribute in values:
            raise OptionError(f"option '{key}' cannot be specified more than once")
        values[option.attribute] = _from_toml(option, key, value)
    return values


def _unknown_key(key: str) -> str:
    close = difflib.get_close_matches(key.replace("_", "-"), OPTIONS, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(OPTIONS)}"
    return f"unrecognised option '{key}'; {hint}"


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
    return value if isinstance(value, bool) else _parse(option, str(value))


_TOML_NAMES: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
