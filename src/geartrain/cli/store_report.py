# SPDX-License-Identifier: MIT
"""The output of ``gearmand store inspect``."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from geartrain.records import Priority
from geartrain.storage import Opened
from geartrain.storage.jsonlines import text_or_base64
from geartrain.storage.summary import Summary

__all__ = ["as_json", "as_text"]

_HEADINGS = ("function", "jobs", *(priority.name.lower() for priority in Priority), "delayed", "schedules", "bytes")


def as_json(summary: Summary, opened: Opened) -> str:
    """Return a summary for programs."""
    functions = [
        {"function": text_or_base64(name), **dict(zip(_HEADINGS[1:], numbers, strict=True))}
        for name, numbers in _rows(summary)
    ]
    facts = {
        "jobs": summary.jobs,
        "bytes": summary.size,
        "oldest": summary.oldest,
        "newest": summary.newest,
        "reserved": opened.reserved,
        "delayed": summary.delayed,
        "next_at": None if summary.next_at is None else summary.next_at // 1000,
        "schedules": summary.schedules,
        "functions": functions,
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)


def as_text(summary: Summary, opened: Opened) -> str:
    """Return a summary for people."""
    between = f", numbers {summary.oldest} to {summary.newest}" if summary.functions else ""
    until = f", the first until {_time(summary.next_at // 1000)}" if summary.next_at is not None else ""
    facts = {
        "jobs": f"{summary.jobs}{between}",
        "bytes": summary.size,
        "delayed": f"{summary.delayed}{until}",
        "schedules": summary.schedules,
        "reserved": f"numbers up to {opened.reserved}",
    }
    lines = [f"{name:<11}{value}" for name, value in facts.items()]
    if summary.functions:
        rows = [[name.decode(errors="backslashreplace"), *map(str, numbers)] for name, numbers in _rows(summary)]
        lines += ["", *_table([_HEADINGS, *rows])]
    return "\n".join(lines)


def _rows(summary: Summary) -> Iterator[tuple[bytes, list[int]]]:
    for name, function in sorted(summary.functions.items()):
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
