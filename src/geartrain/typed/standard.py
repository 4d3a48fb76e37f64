# SPDX-License-Identifier: MIT
"""JSON by annotations with the standard library, for an installation without msgspec."""

import json
from collections.abc import Mapping
from typing import Any

from geartrain.codec import encode_json
from geartrain.typed.conversions import Mismatch
from geartrain.typed.converters import converter
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
        self._convert = converter(annotation).convert

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
