# SPDX-License-Identifier: MIT
"""The job that the current thread, task or process is doing, for code that is not passed the job."""

import logging
from contextvars import ContextVar

from geartrain.worker.job import AnyAssignedJob

__all__ = ["JobFilter", "current_job"]

# Each job runs in a context of its own, so nothing has to be reset.
current_job: ContextVar[AnyAssignedJob | None] = ContextVar("geartrain.current_job", default=None)


class JobFilter(logging.Filter):
    """A filter that adds the current job to log records, and lets all records through.

    ::

        handler.addFilter(JobFilter())
        handler.setFormatter(logging.Formatter("%(job_function)s %(job_handle)s %(message)s"))

    The attributes are `job_function`, `job_handle` and `job_unique`; outside of jobs they are empty.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes."""
        job = current_job.get()
        record.job_function = job.function if job is not None else ""
        record.job_handle = job.handle if job is not None else ""
        record.job_unique = job.unique if job is not None else ""
        return True
