# SPDX-License-Identifier: MIT
"""The output of `gearman` for programs: one JSON object a line."""

import base64
import json
from collections.abc import Callable

from geartrain.client.events import Completed, Created, Failed, SessionEvent
from geartrain.errors import JobException, JobFailed
from geartrain.records import Data, Progress, Warn

__all__ = ["print_event"]


def print_event(function: str, event: SessionEvent) -> None:
    """Print an object with the function, the kind of the event, and its facts.

    Bytes are in ``data`` if they are UTF-8, and otherwise in ``base64``.
    """
    print(json.dumps({"function": function, **_FACTS[type(event)](event)}), flush=True)


def _failure(event: Failed) -> dict[str, object]:
    match event.error:
        case JobException(data=data):
            return {"event": "exception", **_bytes(data)}
        case JobFailed():
            return {"event": "failed"}
        case error:
            return {"event": "refused", "error": str(error)}


def _bytes(data: bytes) -> dict[str, object]:
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


_FACTS: dict[type, Callable[..., dict[str, object]]] = {
    Created: lambda event: {"event": "created", "handle": str(event.handle)},
    Data: lambda event: {"event": "data", **_bytes(event.data)},
    Warn: lambda event: {"event": "warning", **_bytes(event.data)},
    Progress: lambda event: {"event": "progress", "numerator": event.numerator, "denominator": event.denominator},
    Completed: lambda event: {"event": "completed", **_bytes(event.data)},
    Failed: _failure,
}
