# SPDX-License-Identifier: MIT
"""What ``gearmand store inspect`` says of a store."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from geartrain.records import Priority
from geartrain.storage import Opened
from geartrain.storage.jsonlines import text_or_base64
from geartrain.storage.tally import Tally

__all__ = ["as_json", "as_text"]

_HEADINGS = ("function", "jobs", *(priority.name.lower() for priority in Priority), "delayed", "schedules", "bytes")


def as_json(tally: Tally, opened: Opened) -> str:
    """Return it for programs."""
    functions = [
        {"function": text_or_base64(name), **dict(zip(_HEADINGS[1:], numbers, strict=True))}
        for name, numbers in _rows(tally)
    ]
    facts = {
        "jobs": tally.jobs,
        "bytes": tally.size,
        "oldest": tally.oldest,
        "newest": tally.newest,
        "reserved": opened.created,
        "delayed": tally.delayed,
        "next_at": tally.next_at,
        "schedules": tally.schedules,
        "functions": functions,
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)


def as_text(tally: Tally, opened: Opened) -> str:
    """Return it for people."""
    between = f", numbers {tally.oldest} to {tally.newest}" if tally.functions else ""
    until = f", the first until {_time(tally.next_at)}" if tally.next_at is not None else ""
    facts = {
        "jobs": f"{tally.jobs}{between}",
        "bytes": tally.size,
        "delayed": f"{tally.delayed}{until}",
        "schedules": tally.schedules,
        "reserved": f"numbers up to {opened.created}",
    }
    lines = [f"{name:<11}{value}" for name, value in facts.items()]
    if tally.functions:
        rows = [[name.decode(errors="backslashreplace"), *map(str, numbers)] for name, numbers in _rows(tally)]
        lines += ["", *_table([_HEADINGS, *rows])]
    return "\n".join(lines)


def _rows(tally: Tally) -> Iterator[tuple[bytes, list[int]]]:
    for name, function in sorted(tally.functions.items()):
        yield name, [function.jobs, *function.priorities.values(), function.delayed, function.schedules, function.size]


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines with the first column to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        columns = [f"{number:>{width}}" for number, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join([f"{name:<{widths[0]}}", *columns])


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # a year with more than four digits
        return f"@{seconds}"
