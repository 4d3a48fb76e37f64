# SPDX-License-Identifier: MIT
"""JSON by annotations with msgspec, which is fast and knows many types."""

import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from geartrain.codec import is_model
from geartrain.typed.jsontype import JsonType, shown

__all__ = ["Msgspec"]

_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `\$(?P<place>.*)`)?", re.DOTALL)  # a message of msgspec


class Msgspec:
    """The library msgspec, as a `geartrain.typed.jsontype.JsonLibrary`."""

    def __init__(self, msgspec: ModuleType) -> None:
        self._msgspec = msgspec
        raw: Any = msgspec.Raw
        self._splitter = msgspec.json.Decoder(dict[str, raw] | list[raw])

    def of(self, annotation: object) -> JsonType:
        """Return the type of an annotation: any type that msgspec knows, or a pydantic model."""
        return _MsgspecType(self._msgspec, annotation)

    def split(self, data: bytes) -> Mapping[str, bytes] | list[bytes]:
        """Return the values of a JSON object or array, each as JSON."""
        values: dict[str, bytes] | list[bytes] = self._splitter.decode(data)
        return values


class _MsgspecType:
    def __init__(self, msgspec: ModuleType, annotation: object) -> None:
        self._annotation = annotation
        types = _own_types(msgspec.inspect, msgspec.inspect.type_info(annotation), set())
        foreign = [each for each in types if not is_model(each)]
        if foreign:
            raise TypeError(f"{foreign[0].__qualname__} has no form in JSON; write Any for values of any kind")
        self._decoder = msgspec.json.Decoder(annotation, dec_hook=_built)
        self._encoder = msgspec.json.Encoder(enc_hook=_plain)

    def __str__(self) -> str:
        return shown(self._annotation)

    def encode(self, value: object) -> bytes:
        encoded: bytes = self._encoder.encode(value)
        return encoded

    def decode(self, data: bytes) -> Any:
        return self._decoder.decode(data)

    def problem(self, error: Exception, name: str) -> str:
        found = _PLACE.fullmatch(str(error))
        assert found is not None, "it matches everything"
        place = f" at {name}{found['place']}" if found["place"] else ""
        return f"{name} ({self}){place}: {found['problem']}"


def _own_types(inspect: ModuleType, info: object, seen: set[int]) -> Iterator[type]:
    """Yield the classes inside a type that are unknown to msgspec."""
    if id(info) in seen:  # types may contain themselves
        return
    seen.add(id(info))
    if isinstance(info, inspect.CustomType):
        yield getattr(info, "cls")  # noqa: B009  # the library's type is unknown here
    elif isinstance(info, tuple):
        for each in info:
            yield from _own_types(inspect, each, seen)
    elif type(info).__module__ == inspect.__name__:
        for name in getattr(info, "__struct_fields__", ()):
            yield from _own_types(inspect, getattr(info, name), seen)


def _built(kind: Any, value: object) -> object:
    """Make a pydantic model, which checks its own fields; other classes were refused before."""
    return kind.model_validate(value)


def _plain(value: Any) -> object:
    if is_model(type(value)):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__qualname__} has no form in JSON")
