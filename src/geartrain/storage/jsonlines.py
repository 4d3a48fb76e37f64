# SPDX-License-Identifier: MIT
r"""Jobs as lines of JSON, one job each, for people and programs::

    {"number": 17, "handle": "H:a:17", "function": "resize", "priority": "normal", "workload": "{\"id\": 7}"}
    {"number": 18, "handle": "H:a:18", "function": "resize", "priority": "low", "workload": {"base64": "/9j/4AAQ"}}

Names and workloads are bytes. Those that are UTF-8 are a string; any others are an object that has them in base64, so
nothing is lost, and nothing has to be guessed. Times are seconds since 1970, with up to three decimals. Fields that a
job does not have are left out. A line that is written by hand needs a function, and nothing else.

Files of earlier versions are read: what is `losses` now was `retries`.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim, CronSimError

from geartrain.core.record import FIELDS, JobRecord
from geartrain.protocol.limits import INT64_MAX
from geartrain.records import Priority
from geartrain.storage.store import StoreError

__all__ = ["decode", "encode", "read_lines", "text_or_base64"]

_TIMES = ("created_at", "run_at", "expires_at")
_NUMBERS = ("number", "losses", "failures", "depth")
_BYTES = (
    *("handle", "function", "unique", "workload", "reducer", "schedule", "timezone", "key", "batch", "origin"),
    *("then", "on_failure", "overrides", "reason", "error"),
)
_MAY_HAVE_ANY_BYTE = frozenset(
    ("workload", "overrides", "error", "unknown")
)  # the others end with a zero byte when they travel
_ALWAYS = frozenset(("number", "handle", "function", "priority", "workload"))
_PRIORITIES = {priority.name.lower(): int(priority) for priority in Priority}
_PRIORITY_NAMES = {value: name for name, value in _PRIORITIES.items()}
_RENAMED = {"retries": "losses"}
_ANY_MOMENT = datetime(2001, 1, 1, tzinfo=UTC)
_ABSENT = JobRecord(0, b"", b"")


def encode(record: JobRecord) -> bytes:
    """Return a job as a line, with its end."""
    fields: dict[str, object] = {}
    for name in FIELDS:
        value = getattr(record, name)
        if name in _ALWAYS or value != getattr(_ABSENT, name):
            fields[name] = _TO_JSON[name](value)
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def decode(line: bytes) -> JobRecord:
    """Return the job that a line describes; a missing number is 0, and a missing handle empty.

    Raises:
        StoreError: The line is not a job; the message says why.
    """
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise StoreError(f"not JSON: {error.msg} at column {error.colno}") from None
    except UnicodeDecodeError:
        raise StoreError("not JSON: it is not UTF-8") from None
    except ValueError as error:
        raise StoreError(f"not JSON: {error}") from None
    except RecursionError:
        raise StoreError("not a job: the brackets are nested too deeply") from None
    if not isinstance(fields, dict):
        raise StoreError("a job is a JSON object, in braces")
    fields = {_RENAMED.get(name, name): value for name, value in fields.items()}
    unknown = fields.keys() - set(FIELDS)
    if unknown:
        raise StoreError(f"{min(unknown)!r} is not a field of a job; the fields are {', '.join(FIELDS)}")
    if not fields.get("function"):
        raise StoreError("a job needs a 'function'")
    values: dict[str, Any] = {name: _FROM_JSON[name](name, value) for name, value in fields.items()}
    return _ABSENT.replace(**values)


def read_lines(lines: Iterable[bytes]) -> Iterator[JobRecord]:
    """Yield the jobs of a file; empty lines are skipped.

    Raises:
        StoreError: A line is not a job; the message has its number.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield decode(line)
            except StoreError as error:
                raise StoreError(f"line {number}: {error}") from None


# To JSON.


def _unchanged(value: object) -> object:
    return value


def text_or_base64(value: bytes) -> object:
    """Return bytes as JSON has them."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _seconds(milliseconds: int) -> object:
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def _pairs(unknown: tuple[tuple[int, bytes], ...]) -> object:
    return [[tag, text_or_base64(value)] for tag, value in unknown]


_TO_JSON: dict[str, Callable[[Any], object]] = {
    **dict.fromkeys(_NUMBERS, _unchanged),
    **dict.fromkeys(_TIMES, _seconds),
    **dict.fromkeys(_BYTES, text_or_base64),
    "priority": _PRIORITY_NAMES.__getitem__,
    "started": _unchanged,
    "unknown": _pairs,
}


# From JSON.


def _to_bytes(name: str, value: object) -> bytes:
    match value:
        case str():
            found = _encoded(name, value)
        case {"base64": str() as text, **rest} if not rest:
            try:
                found = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise StoreError(f"{name!r} is not base64: {error}") from None
        case _:
            raise StoreError(f'{name!r} is a string or {{"base64": a string}}, not {_shortly(value)}')
    if b"\0" in found and name not in _MAY_HAVE_ANY_BYTE:
        raise StoreError(f"{name!r} cannot contain a zero byte")
    return found


def _to_schedule(name: str, value: object) -> bytes:
    """Return a cron line; a server that started with one that is none would not get far."""
    found = _to_bytes(name, value)
    try:
        line = found.decode()
        if line:
            next(CronSim(line, _ANY_MOMENT))
    except (CronSimError, StopIteration, UnicodeDecodeError) as error:
        reason = str(error) or "it is never due"
        raise StoreError(f"{name!r} is a cron line, not {_shortly(value)} ({reason})") from None
    if line and len(line.split()) != 5:
        raise StoreError(f"{name!r} has the five fields of a cron line, not {_shortly(value)}")
    return found


def _encoded(name: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise StoreError(f'{name!r} is not valid Unicode; write other bytes as {{"base64": …}}') from None


def _to_number(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= INT64_MAX:
        raise StoreError(f"{name!r} is a whole number from 0 to {INT64_MAX}, not {_shortly(value)}")
    return value


def _to_time(name: str, value: object) -> int:
    """Return milliseconds; a time that is further away than they reach is never."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= INT64_MAX:
        raise StoreError(f"{name!r} is a number of seconds since 1970, from 0 to {INT64_MAX}, not {_shortly(value)}")
    return min(value * 1000 if isinstance(value, int) else round(value * 1000), INT64_MAX)


def _to_priority(name: str, value: object) -> int:
    if not isinstance(value, str) or value not in _PRIORITIES:
        raise StoreError(f"{name!r} is {', '.join(_PRIORITIES)}, not {_shortly(value)}")
    return _PRIORITIES[value]


def _to_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise StoreError(f"{name!r} is true or false, not {_shortly(value)}")
    return value


def _to_pairs(name: str, value: object) -> tuple[tuple[int, bytes], ...]:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise StoreError(f"{name!r} is a list of tags, each with its value, not {_shortly(value)}")
    return tuple((_to_tag(name, tag), _to_bytes(name, field)) for tag, field in value)


def _to_tag(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= 255:
        raise StoreError(f"a tag of {name!r} is a whole number from 0 to 255, not {_shortly(value)}")
    return value


def _shortly(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


_FROM_JSON: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(_NUMBERS, _to_number),
    **dict.fromkeys(_TIMES, _to_time),
    **dict.fromkeys(_BYTES, _to_bytes),
    "schedule": _to_schedule,
    "priority": _to_priority,
    "started": _to_flag,
    "unknown": _to_pairs,
}
