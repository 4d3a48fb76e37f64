# SPDX-License-Identifier: MIT
"""What both shells know of jobs whose parts other workers do.

A reduce job (protocol 1.17) names two functions. Its own, the *partition*, makes parts of the workload; each part
becomes a job of the other, the *reducer*, on the same servers; an *aggregate* in the partition's worker joins the
results. The server only carries the reducer's name, so all of this is the worker's doing, here as in libgearman.
"""

from geartrain.worker.job import JobInHand

__all__ = ["ENDS_BY_ITSELF", "MAX_IN_FLIGHT", "is_part"]

MAX_IN_FLIGHT = 100  # parts of one job at a time: enough for many workers, few enough for anyone's memory

ENDS_BY_ITSELF = "a partition's job ends with what becomes of its parts; to fail it, raise geartrain.JobFail"


def is_part(job: JobInHand, result: object) -> bool:
    """Tell whether what a partition returned, after the parts that it sent, is one more of them."""
    return result is not None and bool(job.encode(result))
