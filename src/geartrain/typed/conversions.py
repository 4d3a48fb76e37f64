# SPDX-License-Identifier: MIT
"""Conversions from the values of `json.loads` to those of types, with the standard library alone."""

import base64
import binascii
import datetime
import decimal
import uuid
from collections import abc
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "COLLECTIONS",
    "MAPPINGS",
    "SIMPLE",
    "Convert",
    "Converter",
    "Mismatch",
    "choice",
    "collection",
    "fixed_array",
    "mapping",
    "model",
    "record",
    "unchanged",
    "union",
    "whole_number",
]

Convert: TypeAlias = Callable[[Any], Any]


class Mismatch(ValueError):
    """A value that is not of its annotated type.

    Args:
        problem: The expected value, and the given one.
        place: The place inside of the whole value, such as ``[1].x``.
    """

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place

    def within(self, place: str) -> "Mismatch":
        """Return the same error for the value that has this one at a place."""
        return Mismatch(self.problem, place + self.place)


class Converter(NamedTuple):
    """A converter, and the name of its type in messages."""

    name: str
    convert: Convert


def _json_name(value: object) -> str:
    return {NoneType: "null", list: "array", dict: "object"}.get(type(value), type(value).__name__)


def _unexpected(expected: str, value: object) -> Mismatch:
    return Mismatch(f"Expected `{expected}`, got `{_json_name(value)}`")


# Values without others inside


def unchanged(value: Any) -> Any:
    return value


def _exact(kind: type, name: str) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is not kind:
            raise _unexpected(name, value)
        return value

    return Converter(name, convert)


def _int(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise _unexpected("int", value)


def _float(value: Any) -> float:
    if type(value) not in (int, float):
        raise _unexpected("float", value)
    return float(value)


def whole_number(key: str) -> int:
    try:
        return int(key)
    except ValueError:
        raise Mismatch(f"Expected `int`, got the key {key[:80]!r}") from None


def _written(name: str, parse: Callable[[str], object], *others: type) -> Converter:
    """Return the converter of a type that is text in JSON; values of ``others`` are parsed from their ``str()``."""

    def convert(value: Any) -> Any:
        if type(value) is not str and type(value) not in others:
            raise _unexpected(name, value)
        try:
            return parse(str(value))
        except (ValueError, ArithmeticError, binascii.Error):
            raise Mismatch(f"Invalid {name} {str(value)[:80]!r}") from None

    return Converter(name, convert)


SIMPLE: dict[object, Converter] = {
    Any: Converter("any value", unchanged),
    NoneType: _exact(NoneType, "null"),
    bool: _exact(bool, "bool"),
    int: Converter("int", _int),
    float: Converter("float", _float),
    str: _exact(str, "str"),
    bytes: _written("base64", lambda text: base64.b64decode(text, validate=True)),
    datetime.datetime: _written("datetime", datetime.datetime.fromisoformat),
    datetime.date: _written("date", datetime.date.fromisoformat),
    datetime.time: _written("time", datetime.time.fromisoformat),
    decimal.Decimal: _written("decimal", decimal.Decimal, int, float),
    uuid.UUID: _written("uuid", uuid.UUID),
}


def choice(choices: Mapping[Any, object]) -> Converter:
    # With the type, as 1 and True are equal.
    allowed = {(type(written), written): chosen for written, chosen in choices.items()}

    def convert(value: Any) -> Any:
        try:
            return allowed[type(value), value]
        except (KeyError, TypeError):  # an array is no key
            raise Mismatch(f"Invalid enum value {value!r:.80}") from None

    return Converter(" | ".join(map(repr, choices)), convert)


def model(kind: Any) -> Converter:
    def convert(value: Any) -> Any:
        try:
            return kind.model_validate(value)
        except ValueError as error:  # the base class of pydantic's
            raise Mismatch(str(error)) from None

    return Converter("object", convert)


# Values with others inside

COLLECTIONS: dict[object, Callable[[Iterable[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    abc.Collection: list,
    abc.Iterable: list,
    abc.MutableSequence: list,
    abc.MutableSet: set,
    abc.Sequence: list,
    abc.Set: set,
}
MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


def collection(kind: Callable[[Iterable[Any]], Any], item: Converter) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is not list:
            raise _unexpected("array", value)
        return kind(_items(value, [item.convert] * len(value)))

    return Converter("array", convert)


def fixed_array(kind: Any, items: list[Converter], optional: int = 0) -> Converter:
    """Return the converter of a tuple, of which the last items may be left out."""
    converts = [item.convert for item in items]
    make = kind._make if optional == 0 and hasattr(kind, "_make") else kind

    def convert(value: Any) -> Any:
        if type(value) is not list:
            raise _unexpected("array", value)
        if not len(converts) - optional <= len(value) <= len(converts):
            raise Mismatch(f"Expected `array` of length {len(converts)}, got {len(value)}")
        found = _items(value, converts)
        return make(*found) if optional else make(found)

    return Converter("array", convert)


def _items(values: list[Any], converts: list[Convert]) -> list[Any]:
    found = []
    for number, (value, convert) in enumerate(zip(values, converts, strict=False)):
        try:
            found.append(convert(value))
        except Mismatch as error:
            raise error.within(f"[{number}]") from None
    return found


def mapping(key: Convert, item: Converter) -> Converter:
    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise _unexpected("object", value)
        found = {}
        for name, each in value.items():
            try:
                found[key(name)] = item.convert(each)
            except Mismatch as error:
                raise error.within(f"[{name!r}]") from None
        return found

    return Converter("object", convert)


def record(kind: type, converters: Mapping[str, Convert], needed: list[str]) -> Convert:
    """Return the converter of a class that is called with its fields; unknown fields are left out."""

    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise _unexpected("object", value)
        for name in needed:
            if name not in value:
                raise Mismatch(f"Object missing required field `{name}`")
        fields = {}
        for name, convert_field in converters.items():
            if name in value:
                try:
                    fields[name] = convert_field(value[name])
                except Mismatch as error:
                    raise error.within(f".{name}") from None
        try:
            return kind(**fields)
        except (TypeError, ValueError) as error:  # of __post_init__
            raise Mismatch(str(error)) from None

    return convert


def union(choices: list[Converter]) -> Converter:
    name = " | ".join(each.name for each in choices)
    # An int is also a float, and a date is also text, so that these are tried last.
    ordered = sorted(choices, key=lambda each: {"float": 1, "str": 2, "any value": 3}.get(each.name, 0))

    def convert(value: Any) -> Any:
        mismatches = []
        for each in ordered:
            try:
                return each.convert(value)
            except Mismatch as error:
                mismatches.append(error)
        # The error inside of a value, or of a value of the right kind, helps more than the list of the types.
        for mismatch in mismatches:
            if mismatch.place or not mismatch.problem.startswith("Expected"):
                raise mismatch
        raise _unexpected(name, value)

    return Converter(name, convert)
