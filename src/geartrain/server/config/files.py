# SPDX-License-Identifier: MIT
"""Options in files: TOML, and gearmand's format, which is words as on the command line."""

import re
from collections.abc import Mapping
from pathlib import Path

from geartrain.server.config.access import access_rules, exposed_tokens
from geartrain.server.config.argv import WordReader
from geartrain.server.config.compatibility import unknown_option
from geartrain.server.config.kinds import OptionError
from geartrain.server.config.option import Option
from geartrain.server.config.tomlhints import syntax_error, type_hint

__all__ = ["read_file"]


def read_file(path: str, options: Mapping[str, Option], warnings: list[str]) -> dict[str, object]:
    """Return the values of the options in a file, by attribute; files named ``*.toml`` are TOML.

    Raises:
        OptionError: The file cannot be read, or something in it is wrong; the message names the file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OptionError(f"Could not open configuration file. {path}: {reason}") from None
    read = _read_toml if path.endswith(".toml") else _read_words
    try:
        return read(text, path, options, warnings)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def _read_words(text: str, path: str, options: Mapping[str, Option], warnings: list[str]) -> dict[str, object]:
    """Read gearmand's format: words as on the command line, over any number of lines.

    gearmand ignores words that are not options, so they are ignored here, with a warning. ``#`` begins a comment;
    gearmand obeys an option behind it, which no user of it expects.
    """
    lines = [re.sub(r"(^|\s)#.*", "", line).split() for line in text.splitlines()]
    words = [(word, number) for number, line in enumerate(lines, 1) for word in line]
    ignored: list[str] = []
    reader = WordReader([word for word, _ in words], options.values(), ignored.append)
    try:
        values = reader.read()
    except OptionError as error:
        raise OptionError(f"line {words[reader.taken - 1][1]}: {error}") from None
    warnings += [f"{path}: ignored '{word}', which is not an option{_dashes_hint(word, options)}" for word in ignored]
    return values


def _read_toml(text: str, path: str, options: Mapping[str, Option], warnings: list[str]) -> dict[str, object]:
    """Read TOML: the long options are the keys, with dashes or underscores, and there may be rules of access."""
    import tomllib  # servers without such a file do without it

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(syntax_error(text, error)) from None
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
        option = options.get(name)
        if option is None:
            raise _unknown_key(name, key, value, options)
        if option.attribute in values:
            raise OptionError(f"option '{key}' cannot be specified more than once")
        values[option.attribute] = _from_toml(option, key, value)
    return values


def _dashes_hint(word: str, options: Mapping[str, Option]) -> str:
    name, equals, _ = word.partition("=")
    return f"; write: --{word}" if equals and name in options else ""


def _unknown_key(name: str, key: str, value: object, options: Mapping[str, Option]) -> OptionError:
    """Return the error for a key that is not an option."""
    if isinstance(value, Mapping):
        return OptionError(f"this file has no table [{key}]{type_hint(key, value, ())}")
    if key.startswith("-"):
        return OptionError(f"in a TOML file, '{key}' has no leading dashes: '{key.lstrip('-')}'")
    if name == "config-file":
        return OptionError(f"option '{key}' is only for the command line and the environment")
    return unknown_option(name, key, options)


def _from_toml(option: Option, key: str, value: object) -> object:
    if option.many:
        parts = value if isinstance(value, list) else [value]
        return tuple(_from_toml_single(option, key, part) for part in parts)
    return _from_toml_single(option, key, value)


def _from_toml_single(option: Option, key: str, value: object) -> object:
    # By exact type: a bool is an int to isinstance.
    if type(value) not in option.kind.toml:
        expected = " or ".join(_TOML_NAMES[kind] for kind in option.kind.toml)
        if option.many:
            expected += " or a list of such values"
        hint = type_hint(key, value, option.kind.toml)
        raise OptionError(f"option '{key}' is {expected}, not {_shown(value)}{hint}")
    return value if isinstance(value, bool) else option.parse(str(value))


def _shown(value: object) -> str:
    """Return a value as TOML writes it, as far as that is simple."""
    return str(value).lower() if isinstance(value, bool) else "a table" if isinstance(value, dict) else repr(value)


_TOML_NAMES: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
