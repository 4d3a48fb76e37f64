# SPDX-License-Identifier: MIT
"""Between the values of a program and the bytes that travel: workloads, parts of results, results.

A codec is two functions. Both sides must agree on one; nothing on the wire says which it was.
"""

import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime, time
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar
from uuid import UUID

from geartrain.errors import CodecError
from geartrain.names import Text, encode

__all__ = ["JSON", "PICKLE", "RAW", "Codec", "check_codec"]

ValueT_contra = TypeVar("ValueT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Codec(Generic[ValueT_contra, ResultT_co]):
    """How values travel.

    Attributes:
        name: What it is called in messages.
        encode: Makes bytes of a value; raises ``TypeError`` or ``ValueError`` for one that cannot travel.
        decode: Makes a value of bytes; raises `CodecError` for those that are none.
    """

    name: str
    encode: Callable[[ValueT_contra], bytes]
    decode: Callable[[bytes], ResultT_co]

    def __repr__(self) -> str:
        return f"<Codec {self.name}>"


def check_codec(codec: object) -> None:
    """Raise ``TypeError`` for what is no codec, such as the name of one."""
    if not isinstance(codec, Codec):
        raise TypeError(f"a codec is a geartrain.Codec, such as geartrain.JSON, not {codec!r}")


def _fast_library() -> ModuleType | None:
    try:
        return import_module("msgspec")  # the extra "json" brings it
    except ImportError:
        return None


msgspec = _fast_library()


def _encode_text(value: Text) -> bytes:
    return encode(value, "a value without a codec")


def _same(data: bytes) -> bytes:
    return data


def _encode_json(value: object) -> bytes:
    if msgspec is not None:
        encoded: bytes = msgspec.json.encode(value)
        return encoded
    # As the fast library does it, so that installing it changes little but the speed; it writes NaN as null.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_simplified).encode()


def _simplified(value: object) -> object:
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"JSON has no way of writing {type(value).__name__}")


def _decode_json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data) if msgspec is not None else json.loads(data)
    except ValueError as error:  # the root of both libraries' errors
        raise CodecError(f"not JSON: {data[:80]!r} ({error})") from error


def _encode_pickle(value: object) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _decode_pickle(data: bytes) -> Any:
    try:
        return pickle.loads(data)  # noqa: S301  # whoever names this codec trusts the other side
    except Exception as error:  # it runs what it finds, which may raise anything
        raise CodecError(f"not a pickle that can be read here: {data[:80]!r} ({error!r})") from error


# Bytes as they are, text as UTF-8.
RAW: Codec[Text, bytes] = Codec("raw", _encode_text, _same)

# Anything that JSON can write: what every other language reads. Fast with the extra "json".
JSON: Codec[Any, Any] = Codec("json", _encode_json, _decode_json)

# Any Python object. Reading a pickle runs code of whoever wrote it: only among programs that trust each other.
PICKLE: Codec[Any, Any] = Codec("pickle", _encode_pickle, _decode_pickle)
