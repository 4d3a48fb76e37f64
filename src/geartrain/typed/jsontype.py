# SPDX-License-Identifier: MIT
"""JSON values of one annotation: the check, the encoder and the decoder, by any library."""

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

__all__ = ["JsonLibrary", "JsonType", "shown"]


class JsonType(Protocol):
    """An encoder and a decoder for the values of one annotation."""

    def encode(self, value: object) -> bytes:
        """Return a value as JSON.

        Raises:
            TypeError: JSON has no form for the value's type.
            ValueError: JSON has no form for this value of the type.
        """

    def decode(self, data: bytes) -> Any:
        """Return the value of a JSON text.

        Raises:
            ValueError: The text is not JSON, or its value is not of this type.
        """

    def problem(self, error: Exception, name: str) -> str:
        """Return a message about the value called ``name``: the problem, and the place inside of the value."""


class JsonLibrary(Protocol):
    """A library that reads and writes JSON by annotations."""

    def of(self, annotation: object) -> JsonType:
        """Return the JSON type of an annotation.

        Raises:
            TypeError: JSON has no form for the annotation.
        """

    def split(self, data: bytes) -> Mapping[str, bytes] | list[bytes]:
        """Return the values of a JSON object or array, each as JSON.

        Raises:
            ValueError: The text is not JSON, or another value.
        """


def shown(annotation: object) -> str:
    """Return an annotation for messages, with the values of an enum."""
    text = inspect.formatannotation(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        text += f": {', '.join(repr(member.value) for member in annotation)}"
    return text
