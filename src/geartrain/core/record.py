# SPDX-License-Identifier: MIT
"""Job records: the part of a job that a store keeps. `geartrain.core.packing` has their layout."""

from typing import Any, Final

__all__ = ["FIELDS", "JobRecord"]

_NORMAL: Final = 1
FIELDS: Final = (
    "number",
    "handle",
    "function",
    "unique",
    "priority",
    "workload",
    "created_at",
    "run_at",
    "losses",
    "failures",
    "expires_at",
    "depth",
    "started",
    "reducer",
    "schedule",
    "timezone",
    "key",
    "batch",
    "origin",
    "then",
    "on_failure",
    "overrides",
    "reason",
    "error",
    "unknown",
)


class JobRecord:
    """The part of a background job, or of a schedule, that survives a restart.

    Times are milliseconds since 1970.

    Attributes:
        number: Identifies the job in its store, and orders it among the others.
        handle: The handle, which the job keeps.
        function: The function's name; any bytes.
        unique: The unique; empty for none.
        priority: As `geartrain.Priority` has it.
        workload: The workload.
        created_at: Time of the submission; 0 if it is not known.
        run_at: Time before which the job is not started, or 0. The next run of a schedule.
        losses: Number of attempts that ended with a lost worker or a timeout.
        failures: Number of attempts that the worker reported as failed.
        expires_at: Time at which waiting ends, or 0.
        depth: Number of jobs before this one in its chain.
        started: True if a worker has had the job for more than a second.
        reducer: The reducer of a reduce job, or empty.
        schedule: The five fields of a cron line if this is a schedule, or empty.
        timezone: The time zone of the schedule; empty for that of the server.
        key: The key whose jobs are limited together, or empty.
        batch: The batch that the job belongs to, or empty.
        origin: The handle of the job that caused this one, or empty.
        then: The function to submit to when the job completes, or empty.
        on_failure: The function to submit to when the job has finally failed, or empty.
        overrides: Policy values of this job alone, encoded, or empty.
        reason: The cause of the last failure, such as ``timeout``, or empty.
        error: The text of the last exception, or empty.
        unknown: Tag and value of each field that a later version wrote.
    """

    __slots__ = FIELDS

    def __init__(
        self,
        number: int,
        handle: bytes,
        function: bytes,
        unique: bytes = b"",
        priority: int = _NORMAL,
        workload: bytes = b"",
        *,
        created_at: int = 0,
        run_at: int = 0,
        losses: int = 0,
        failures: int = 0,
        expires_at: int = 0,
        depth: int = 0,
        started: bool = False,
        reducer: bytes = b"",
        schedule: bytes = b"",
        timezone: bytes = b"",
        key: bytes = b"",
        batch: bytes = b"",
        origin: bytes = b"",
        then: bytes = b"",
        on_failure: bytes = b"",
        overrides: bytes = b"",
        reason: bytes = b"",
        error: bytes = b"",
        unknown: tuple[tuple[int, bytes], ...] = (),
    ) -> None:
        self.number = number
        self.handle = handle
        self.function = function
        self.unique = unique
        self.priority = priority
        self.workload = workload
        self.created_at = created_at
        self.run_at = run_at
        self.losses = losses
        self.failures = failures
        self.expires_at = expires_at
        self.depth = depth
        self.started = started
        self.reducer = reducer
        self.schedule = schedule
        self.timezone = timezone
        self.key = key
        self.batch = batch
        self.origin = origin
        self.then = then
        self.on_failure = on_failure
        self.overrides = overrides
        self.reason = reason
        self.error = error
        self.unknown = unknown

    def replace(self, **changes: Any) -> "JobRecord":
        """Return a copy with some fields changed."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in FIELDS}
        fields.update(changes)
        return JobRecord(**fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobRecord):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in FIELDS)

    def __repr__(self) -> str:
        absent = JobRecord(0, b"", b"")
        said = [
            f"{name}={getattr(self, name)!r}"
            for name in FIELDS
            if name in ("number", "handle", "function") or getattr(self, name) != getattr(absent, name)
        ]
        return f"JobRecord({', '.join(said)})"
