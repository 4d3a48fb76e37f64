# SPDX-License-Identifier: MIT
"""Restoring: loading the jobs of the store into the core, while the server already serves its peers."""

from collections.abc import Callable

from geartrain.core import JobServer
from geartrain.storage import Store

__all__ = ["restore"]


async def restore(store: Store, job_server: JobServer, schedule: Callable[[], None]) -> int:
    """Give all jobs in a store to the core, and return their number.

    Args:
        store: An open store.
        job_server: The core; it is restoring already.
        schedule: Begins a turn before each portion: workers may get its jobs at the end of that.

    Raises:
        StoreError: The store cannot be read.
    """
    count = 0
    async for records in store.replay():
        schedule()
        job_server.restore(records)
        count += len(records)
    return count
