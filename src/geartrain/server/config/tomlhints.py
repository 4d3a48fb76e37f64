# SPDX-License-Identifier: MIT
"""Hints for errors in TOML files, for users who do not know TOML."""

import re
from collections.abc import Mapping

__all__ = ["syntax_error", "type_hint"]

_PLACE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)")
_SETTING = re.compile(r"\s*(?P<key>[A-Za-z][\w-]*)\s*=\s*(?P<value>[^\s#'\"\[{].*?)\s*(?:#.*)?")
_KEY = re.compile(r"\s*(?P<key>[A-Za-z][\w-]*)\s*=")
_TWICE = "Cannot overwrite a value"
_WORDS = re.compile(r"\s*-{1,2}[A-Za-z]")
_COLON = re.compile(r"\s*(?P<key>[A-Za-z][\w-]*)\s*:\s*(?P<value>.*)")
_SPACE = re.compile(r"\s*(?P<key>[A-Za-z][\w-]*)\s+(?P<value>[^\s=].*)")
_FLAGS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def syntax_error(text: str, error: ValueError) -> str:
    """Return a message of up to four lines: the error, its line, a mark below it, and a hint.

    Args:
        text: The contents of the file.
        error: The `tomllib.TOMLDecodeError` of the parser.
    """
    found = _PLACE.fullmatch(str(error))
    if found is None:  # such as "at end of document"
        return str(error)
    number, column = int(found["line"]), int(found["column"])
    line = text.splitlines()[number - 1] if number <= len(text.splitlines()) else ""
    twice = _KEY.match(line) if found["what"] == _TWICE else None
    hint = f"{twice['key']} is set twice: delete one of the lines" if twice is not None else _hint(line)
    shown = [f"line {number}: {found['what']}", f"    {line}", f"    {' ' * (column - 1)}^", hint]
    return "\n".join(part for part in shown if part)


def _hint(line: str) -> str:
    """Return what a line may mean, or nothing."""
    setting = _SETTING.fullmatch(line)
    if setting is not None:
        value = setting["value"]
        flag = _FLAGS.get(value.lower(), value.lower() if value.lower() in ("true", "false") else "")
        if flag:
            return f"write: {setting['key']} = {flag}"
        return f'a text has quotes: {setting["key"]} = "{value}"'
    if _WORDS.match(line):
        return "a file in TOML has lines like: port = 4731. A file of command-line words has a name without .toml"
    for pattern in (_COLON, _SPACE):
        found = pattern.fullmatch(line)
        if found is not None:
            return f"an equals sign stands between an option and its value, as in: {found['key']} = 4731"
    return ""


def type_hint(key: str, value: object, types: tuple[type, ...]) -> str:
    """Return how a value of a wrong type may be meant, or nothing; the beginning is a separator."""
    if isinstance(value, str) and str not in types:
        plain = value.lower()
        if bool in types:
            flag = _FLAGS.get(plain, plain)
            return f"; write: {key} = {flag}" if flag in ("true", "false") else ""
        return f"; leave out the quotes: {key} = {value}" if re.fullmatch(r"[-+]?[\d.]+", value) else ""
    if isinstance(value, Mapping):
        return f"; delete the line [{key}], and write all options above the first [[access]]"
    return ""
