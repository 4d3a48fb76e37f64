# SPDX-License-Identifier: MIT
"""Codecs: conversion between the values of a program and the bytes of workloads, results and parts of results.

A codec is two functions. Client and worker must use the same one; a packet does not say which it is. The libraries
behind a codec are imported when it is first used.
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar

from geartrain.errors import CodecError
from geartrain.frozen import frozen
from geartrain.names import Text, value_bytes

__all__ = ["JSON", "PICKLE", "RAW", "Codec", "check_codec", "encode_json", "is_model", "json_codec", "load_msgspec"]

ValueT_contra = TypeVar("ValueT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)


@frozen
class Codec(Generic[ValueT_contra, ResultT_co]):
    """A pair of functions that encode and decode values.

    Attributes:
        name: The codec's name in messages.
        encode: Returns the bytes for a value; raises ``TypeError`` or ``ValueError`` for a value that has none.
        decode: Returns the value for bytes; raises `CodecError` for bytes that it cannot decode.
    """

    name: str
    encode: Callable[[ValueT_contra], bytes]
    decode: Callable[[bytes], ResultT_co]

    def __repr__(self) -> str:
        return f"<Codec {self.name}>"


def check_codec(codec: object) -> None:
    """Raise ``TypeError`` for a value that is not a codec, such as the name of one."""
    if not isinstance(codec, Codec):
        raise TypeError(f"a codec is a geartrain.Codec, such as geartrain.JSON, not {codec!r}")


def load_msgspec() -> ModuleType | None:
    """Return the library msgspec, or ``None`` if it is not installed."""
    try:
        return import_module("msgspec")
    except ImportError:
        return None


def json_codec(msgspec: ModuleType | None) -> Codec[Any, Any]:
    """Return a JSON codec that uses msgspec, or the standard library where msgspec is missing.

    Both write the same values alike, except that msgspec writes NaN as null.
    """
    if msgspec is not None:
        return Codec("json", msgspec.json.encode, _decoder(msgspec.json.decode))
    from json import loads

    return Codec("json", encode_json, _decoder(loads))


def encode_json(value: object) -> bytes:
    """Return a value as JSON, written by the standard library.

    Raises:
        TypeError: JSON has no form for the value's type.
        ValueError: JSON has no form for this value of the type.
    """
    from json import dumps

    return dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_as_plain).encode()


def is_model(kind: type) -> bool:
    """Return True for a pydantic model, which is recognized by its methods: that library is not needed."""
    return hasattr(kind, "model_validate") and hasattr(kind, "model_dump")


def _as_plain(value: Any) -> object:
    """Return values of other types in the form in which msgspec writes them, and pydantic models."""
    from base64 import b64encode
    from dataclasses import fields, is_dataclass
    from datetime import date, datetime, time
    from decimal import Decimal
    from enum import Enum
    from uuid import UUID

    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if isinstance(value, Enum):
        return value.value
    if is_model(type(value)):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__qualname__} has no form in JSON")


def _decoder(loads: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        try:
            return loads(data)
        except ValueError as error:  # the base class of both libraries' errors
            raise CodecError(f"not JSON: {data[:80]!r} ({error})") from error

    return decode


_chosen: list[Codec[Any, Any]] = []  # the codec behind JSON, once it was used: msgspec takes 5 ms to import


def _json() -> Codec[Any, Any]:
    if not _chosen:
        _chosen.append(json_codec(load_msgspec()))
    return _chosen[0]


def _encode_as_json(value: object) -> bytes:
    return _json().encode(value)


def _decode_json(data: bytes) -> Any:
    return _json().decode(data)


def _encode_text(value: Text) -> bytes:
    return value_bytes(value)


def _unchanged(data: bytes) -> bytes:
    return data


def _encode_pickle(value: object) -> bytes:
    from pickle import HIGHEST_PROTOCOL, dumps

    return dumps(value, HIGHEST_PROTOCOL)


def _decode_pickle(data: bytes) -> Any:
    from pickle import loads

    try:
        return loads(data)  # noqa: S301  # a program that names this codec trusts the other side
    except Exception as error:  # a pickle runs code, which may raise anything
        raise CodecError(f"not a pickle that can be read here: {data[:80]!r} ({error!r})") from error


# Bytes as they are, text as UTF-8.
RAW: Codec[Text, bytes] = Codec("raw", _encode_text, _unchanged)

# Every value that JSON can write, for workers and clients in any language. Faster with msgspec.
JSON: Codec[Any, Any] = Codec("json", _encode_as_json, _decode_json)

# Any Python object. Decoding a pickle runs code chosen by its author: only for programs that trust each other.
PICKLE: Codec[Any, Any] = Codec("pickle", _encode_pickle, _decode_pickle)
