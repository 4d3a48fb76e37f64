# SPDX-License-Identifier: MIT
"""JSON by annotations with the standard library, for an installation without msgspec."""

import dataclasses
import json
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from geartrain.codec import encode_json, is_model
from geartrain.typed.conversions import (
    COLLECTIONS,
    MAPPINGS,
    SIMPLE,
    Convert,
    Converter,
    Mismatch,
    choice,
    collection,
    fixed_array,
    mapping,
    model,
    record,
    unchanged,
    union,
    whole_number,
)
from geartrain.typed.jsontype import JsonType, shown

__all__ = ["StandardLibrary"]


class StandardLibrary:
    """The standard library, as a `geartrain.typed.jsontype.JsonLibrary`."""

    def of(self, annotation: object) -> JsonType:
        """Return the type of an annotation."""
        return _StandardType(annotation)

    def split(self, data: bytes) -> Mapping[str, bytes] | list[bytes]:
        """Return the values of a JSON object or array, each as JSON."""
        values = _loads(data)
        if isinstance(values, dict):
            return {name: encode_json(value) for name, value in values.items()}
        if isinstance(values, list):
            return [encode_json(value) for value in values]
        raise Mismatch(f"Expected `object | array`, got `{type(values).__name__}`")


class _StandardType:
    def __init__(self, annotation: object) -> None:
        self._annotation = annotation
        self._convert = _Builder().build(annotation).convert

    def __str__(self) -> str:
        return shown(self._annotation)

    def encode(self, value: object) -> bytes:
        return encode_json(value)

    def decode(self, data: bytes) -> Any:
        return self._convert(_loads(data))

    def problem(self, error: Exception, name: str) -> str:
        place = error.place if isinstance(error, Mismatch) else ""
        return f"{name} ({self}){f' at {name}{place}' if place else ''}: {error}"


def _loads(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        return json.loads(data.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


# The converter of an annotation.


class _Builder:
    """The converters of one annotation, and of the classes inside of it, which may contain themselves."""

    def __init__(self) -> None:
        self._classes: dict[type, Converter] = {}

    def build(self, annotation: object) -> Converter:
        annotation = _bare(annotation)
        kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
        if kind in (Union, UnionType):
            return union([self.build(each) for each in arguments])
        if kind is Literal:
            return choice({each: each for each in arguments})
        if kind in SIMPLE:
            return SIMPLE[kind]
        if kind in COLLECTIONS:
            return collection(COLLECTIONS[kind], self.build(arguments[0] if arguments else Any))
        if kind is tuple:
            return self._tuple(arguments)
        if kind in MAPPINGS:
            key, value = arguments or (str, Any)
            return mapping(self._key(key), self.build(value))
        if isinstance(kind, type):
            return self._class(kind)
        raise _foreign(annotation)

    def _tuple(self, arguments: tuple[Any, ...]) -> Converter:
        if not arguments or arguments[-1] is Ellipsis:
            return collection(tuple, self.build(arguments[0] if arguments else Any))
        return fixed_array(tuple, [self.build(each) for each in arguments])

    def _key(self, annotation: object) -> Convert:
        """Return the converter of the keys of an object, which are text in JSON."""
        bare = _bare(annotation)
        if bare is Any or bare is str:
            return unchanged
        if bare is int:
            return whole_number
        form = self.build(bare)
        if get_origin(bare) is Literal and all(type(each) is str for each in get_args(bare)):
            return form.convert
        if isinstance(bare, type) and issubclass(bare, Enum) and issubclass(bare, str):
            return form.convert
        raise TypeError(f"keys of the type {form.name} have no form in JSON without the package msgspec")

    def _class(self, kind: type) -> Converter:
        if kind in self._classes:
            return self._classes[kind]
        if issubclass(kind, Enum):
            return choice({member.value: member for member in kind})
        if is_model(kind):
            return model(kind)
        if dataclasses.is_dataclass(kind):
            fields = [field for field in dataclasses.fields(kind) if field.init]
            needed = {
                field.name
                for field in fields
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            }
            return self._fields(kind, {field.name for field in fields}, needed)
        if typing.is_typeddict(kind):
            return self._fields(kind, kind.__annotations__, getattr(kind, "__required_keys__", ()))
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            hints = typing.get_type_hints(kind)
            items = [self.build(hints.get(name, Any)) for name in kind._fields]
            return fixed_array(kind, items, optional=len(getattr(kind, "_field_defaults", ())))
        raise _foreign(kind)

    def _fields(self, kind: Callable[..., object], names: Iterable[str], needed: Iterable[str]) -> Converter:
        assert isinstance(kind, type), "a class"
        converters: dict[str, Convert] = {}
        made = self._classes[kind] = Converter("object", record(kind, converters, sorted(needed)))
        hints = typing.get_type_hints(kind)
        converters.update({name: self.build(hints[name]).convert for name in names})
        return made


def _bare(annotation: object) -> Any:
    """Return an annotation without metadata, and the type that stands behind a new name."""
    while True:
        if annotation is None:
            return NoneType
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # of Python 3.12
            annotation = getattr(annotation, "__value__")  # noqa: B009  # unknown in Python 3.11
        else:
            return annotation


def _foreign(annotation: object) -> TypeError:
    name = getattr(annotation, "__qualname__", None) or repr(annotation)
    return TypeError(
        f"{name} has no form in JSON; write Any for values of any kind (the package msgspec supports more types)"
    )
