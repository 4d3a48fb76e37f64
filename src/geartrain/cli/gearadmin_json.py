# SPDX-License-Identifier: MIT
"""The output of `gearadmin` for programs: one JSON object."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from functools import partial

from geartrain.admin.rows import (
    FunctionStatus,
    JobRow,
    LimitRow,
    PriorityStatus,
    ScheduleRow,
    StallRow,
    WorkerStatus,
    read_row,
)
from geartrain.admin.session import Reply, to_text
from geartrain.cli.gearadmin_options import Operation
from geartrain.protocol.listings import LISTINGS
from geartrain.protocol.text import TextCommand

__all__ = ["json_text"]

_ROWS: dict[TextCommand, Callable[[bytes], object]] = {
    TextCommand.STATUS: FunctionStatus.parse,
    TextCommand.PRIORITY_STATUS: PriorityStatus.parse,
    TextCommand.WORKERS: WorkerStatus.parse,
    TextCommand.SHOW_JOBS: JobRow.parse,
    TextCommand.SHOW_UNIQUE_JOBS: to_text,
    TextCommand.SHOW_SCHEDULES: ScheduleRow.parse,
    TextCommand.SHOW_STALLS: StallRow.parse,
    TextCommand.SHOW_LIMITS: LimitRow.parse,
}
_ROWS |= {command: partial(read_row, found.row) for command, found in LISTINGS.items()}


def json_text(
    requests: Sequence[tuple[Operation, Sequence[str]]], replies: Sequence[Reply], seconds: float | None
) -> str:
    """Return an object with a key for each operation; ``seconds`` is the answer to ``--ping``, if that was asked."""
    answers: dict[str, object] = {} if seconds is None else {"ping": seconds}
    for (operation, arguments), reply in zip(requests, replies, strict=True):
        value = _value(reply)
        if arguments and operation.command is not TextCommand.SHUTDOWN:
            by_name = answers.setdefault(operation.key, {})
            assert isinstance(by_name, dict), "an operation takes arguments or it does not"
            by_name[arguments[0]] = value
        else:
            answers[operation.key] = value
    return json.dumps(answers, indent=2, default=str)


def _value(reply: Reply) -> object:
    if reply.is_error:
        return {"error": to_text(reply.value)}
    if reply.command in _ROWS:
        rows = [_ROWS[reply.command](line) for line in reply.lines]
        return [_row(row) for row in rows]
    if reply.command is TextCommand.GETPID:
        return int(reply.value)
    return to_text(reply.value) or "OK"


def _row(row: object) -> object:
    if isinstance(row, tuple):  # a named one
        return dict(zip(getattr(row, "_fields", ()), row, strict=True))
    return asdict(row) if is_dataclass(row) and not isinstance(row, type) else row
