# SPDX-License-Identifier: MIT
"""Lines of the log that follow a job through the server.

At level NOTICE there is one line for each submission, in gearmand's format, which programs parse::

    accepted,resize,unique,0: H:a:17 from 10.0.0.7 (connection 9)

At level INFO there is also a line for each step. The handle is in front, so that a search for it shows the life of the
job. Peers are written by address and client id, with the number of the connection in the listing ``workers``::

    H:a:17 resize: submitted by 10.0.0.7 (connection 9)
    H:a:17 resize: started by 10.0.0.8 images (connection 12), attempt 1, after 0.4 ms
    H:a:17 resize: completed by 10.0.0.8 images (connection 12), attempt 1, in 31.6 ms

The facts are also in the attribute ``fields`` of each record, for formats that keep them apart. The levels are looked
up once per reload: asking `logging` would cost a tenth of a job, while a level that is off costs a comparison.
"""

import logging
import math
from typing import Final

from mypy_extensions import i64

from geartrain.core.levels import NOTICE
from geartrain.core.outcome import Event, Outcome
from geartrain.core.state import Job, Peer
from geartrain.protocol.text import printable

__all__ = ["JobLog", "note_last_attempt", "warn_of_silence", "warn_of_timeout"]

log = logging.getLogger("geartrain.jobs")

# The word for an outcome, which is also the field ``event``, and the reason behind it.
_ENDS: Final = {
    int(Outcome.COMPLETED): ("completed", ""),
    int(Outcome.FAILED): ("failed", ""),
    int(Outcome.EXCEPTION): ("failed", "exception"),
    int(Outcome.TIMED_OUT): ("failed", "timeout of the last attempt"),
    int(Outcome.WORKER_LOST): ("failed", "lost worker of the last attempt"),
    int(Outcome.CANCELLED): ("cancelled", ""),
    int(Outcome.ABANDONED): ("abandoned", "no client waits for it"),
    int(Outcome.REVOKED): ("revoked", "it could not be stored"),
}
# The ends of an attempt; after all others, the attempt has ended before.
_BY_WORKER: Final = frozenset(map(int, (Outcome.COMPLETED, Outcome.FAILED, Outcome.EXCEPTION, Outcome.CANCELLED)))
_TIMED_OUT: Final = int(Event.TIMED_OUT)


class JobLog:
    """Writes the lines.

    Attributes:
        has_notices: True if submissions are logged.
        has_steps: True if all steps are logged.
    """

    __slots__ = ("has_notices", "has_steps")

    def __init__(self) -> None:
        self.has_notices = False
        self.has_steps = False
        self.refresh()

    def refresh(self) -> None:
        """Look up the levels."""
        self.has_notices = log.isEnabledFor(NOTICE)
        self.has_steps = log.isEnabledFor(logging.INFO)

    def submitted(self, job: Job, client: Peer, run_at: float, is_new: bool) -> None:
        """Log a submission: of a new job, or of one that it joins."""
        second = math.ceil(run_at)
        facts = [printable(job.queue.name), printable(job.unique), b"%d" % second]
        if job.reducer:
            facts.append(printable(job.reducer))
        client_name = str(client)
        fields = _fields(job, "accepted") | {"client": client_name, "unique": _text(job.unique), "run_at": second}
        listed = b",".join(facts).decode(errors="replace")
        log.log(NOTICE, "accepted,%s: %s from %s", listed, _text(job.handle), client_name, extra={"fields": fields})
        if self.has_steps:
            event = "submitted" if is_new else "joined"
            _write(job, event, f"by {client_name}", {"client": client_name})

    def scheduled(self, job: Job, schedule: bytes) -> None:
        """Log a job that a schedule has submitted."""
        _write(job, "submitted", f"by the schedule {_text(schedule)}", {"schedule": _text(schedule)})

    def started(self, job: Job, worker: Peer, seconds: float) -> None:
        """Log an assignment, and the time that the job has waited."""
        _write_run(job, "started", "by", worker, "after", seconds, "")

    def taken(self, job: Job, event: i64, seconds: float) -> None:
        """Log that a job is taken from its worker.

        Args:
            job: A running job.
            event: The reason, ``Event.TIMED_OUT`` or ``Event.WORKER_LOST``.
            seconds: The time that it has run.
        """
        worker = job.worker
        assert worker is not None, "a running job has a worker"
        reason = "timeout" if event == _TIMED_OUT else "lost worker"
        _write_run(job, "taken", "from", worker, "after", seconds, reason)

    def completed_late(self, job: Job) -> None:
        """Log that a result of an earlier attempt ends a job."""
        _write(job, "late", "result of an earlier attempt, which counts", {})

    def ended(self, job: Job, outcome: i64, seconds: float) -> None:
        """Log the end of a job, and the time that it has run, or waited if no worker has it."""
        event, reason = _ENDS[int(outcome)]
        worker = job.worker
        if worker is not None and outcome in _BY_WORKER:
            _write_run(job, event, "by", worker, "in", seconds, reason)
        else:
            ms = round(seconds * 1000, 1)
            _write(job, event, f"after {ms} ms{f': {reason}' if reason else ''}", {"ms": ms, "reason": reason})


def warn_of_timeout(job: Job) -> None:
    """Log, in gearmand's words, that a job has run for too long."""
    log.warning("Worker timeout reached on job, requeueing: %s", _describe(job), extra=_extra(job, "timeout"))


def warn_of_silence(job: Job) -> None:
    """Log that a worker does not answer a push."""
    message = "Worker did not take the job that it was pushed, requeueing: %s"
    log.warning(message, _describe(job), extra=_extra(job, "unanswered"))


def note_last_attempt(job: Job) -> None:
    """Log, in gearmand's words, that a job has no attempts left."""
    log.log(NOTICE, "Dropped job due to max retry count: %s", _describe(job), extra=_extra(job, "dropped"))


def _describe(job: Job) -> str:
    return f"{_text(job.handle)} {_text(job.unique)}"


def _extra(job: Job, event: str) -> dict[str, dict[str, object]]:
    return {"fields": _fields(job, event) | {"unique": _text(job.unique), "losses": int(job.losses)}}


def _write_run(job: Job, event: str, link: str, worker: Peer, measure: str, seconds: float, reason: str) -> None:
    attempt = int(job.losses) + 1
    ms = round(seconds * 1000, 1)
    name = str(worker)
    end = f": {reason}" if reason else ""
    fields = {"worker": name, "attempt": attempt, "ms": ms, "reason": reason}
    _write(job, event, f"{link} {name}, attempt {attempt}, {measure} {ms} ms{end}", fields)


def _write(job: Job, event: str, rest: str, facts: dict[str, object]) -> None:
    fields = _fields(job, event) | {name: value for name, value in facts.items() if value != ""}
    log.info("%s %s: %s %s", _text(job.handle), _text(job.queue.name), event, rest, extra={"fields": fields})


def _fields(job: Job, event: str) -> dict[str, object]:
    return {"event": event, "handle": _text(job.handle), "function": _text(job.queue.name)}


def _text(name: bytes) -> str:
    return printable(name).decode(errors="replace")
