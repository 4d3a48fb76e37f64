# SPDX-License-Identifier: MIT
"""JSON values of one annotation: the check, the encoder and the decoder."""

import enum
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from geartrain.codec import load_msgspec

__all__ = ["JsonType", "library"]

_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `\$(?P<place>.*)`)?", re.DOTALL)  # a message of msgspec


def library() -> ModuleType:
    """Return msgspec, which decodes JSON by annotations.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    msgspec = load_msgspec()
    if msgspec is None:
        raise ModuleNotFoundError(
            "typed functions need a Python package (msgspec); install it with: python -m pip install msgspec",
            name="msgspec",
        )
    return msgspec


class JsonType:
    """An encoder and a decoder for the values of one annotation: any type that msgspec knows, or a pydantic model.

    Raises:
        TypeError: JSON has no form for the annotation.
    """

    def __init__(self, annotation: object) -> None:
        msgspec = library()
        self._annotation = annotation
        foreign = [each for each in _own_types(msgspec.inspect.type_info(annotation)) if not _is_model(each)]
        if foreign:
            raise TypeError(f"{foreign[0].__qualname__} has no form in JSON; write Any for values of any kind")
        self._decoder = msgspec.json.Decoder(annotation, dec_hook=_built)
        self._encoder = msgspec.json.Encoder(enc_hook=_plain)

    def __str__(self) -> str:
        shown = inspect.formatannotation(self._annotation)
        if isinstance(self._annotation, type) and issubclass(self._annotation, enum.Enum):
            shown += f": {', '.join(repr(member.value) for member in self._annotation)}"
        return shown

    def encode(self, value: object) -> bytes:
        """Return a value as JSON.

        Raises:
            TypeError: JSON has no form for the value's type.
            ValueError: JSON has no form for this value of the type.
        """
        encoded: bytes = self._encoder.encode(value)
        return encoded

    def decode(self, data: bytes) -> Any:
        """Return the value of a JSON text.

        Raises:
            ValueError: The text is not JSON, or its value is not of this type.
        """
        return self._decoder.decode(data)

    def problem(self, error: Exception, name: str) -> str:
        """Return a message about the value called ``name``: the problem, and the place inside of the value."""
        found = _PLACE.fullmatch(str(error))
        assert found is not None, "it matches everything"
        place = f" at {name}{found['place']}" if found["place"] else ""
        return f"{name} ({self}){place}: {found['problem']}"


def _own_types(info: object, seen: set[int] | None = None) -> Iterator[type]:
    """Yield the classes inside a type that are unknown to msgspec."""
    seen = set() if seen is None else seen
    if id(info) in seen:  # types may contain themselves
        return
    seen.add(id(info))
    if isinstance(info, library().inspect.CustomType):
        yield getattr(info, "cls")  # noqa: B009  # the library's type is unknown here
    elif isinstance(info, tuple):
        for each in info:
            yield from _own_types(each, seen)
    elif type(info).__module__ == library().inspect.__name__:
        for name in getattr(info, "__struct_fields__", ()):
            yield from _own_types(getattr(info, name), seen)


def _is_model(kind: type) -> bool:
    return hasattr(kind, "model_validate") and hasattr(kind, "model_dump")


def _built(kind: Any, value: object) -> object:
    """Make a pydantic model, which checks its own fields; no other class gets past `JsonType`."""
    return kind.model_validate(value)


def _plain(value: Any) -> object:
    if _is_model(type(value)):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__qualname__} has no form in JSON")
