# SPDX-License-Identifier: MIT
"""Jobs that a C server left in its persistent queue, which this server does not read.

Its tables and keys are others, so that a server on such a queue would begin with an empty one, and the jobs would wait
beside it unnoticed. So it does not start, and its error has the command that imports them.
"""

import asyncio
import shlex
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit, urlunsplit

from geartrain.server.durability.queues import QueueOptions, store_of
from geartrain.server.durability.store import NO_STORE
from geartrain.storage import StoreError
from geartrain.storage.gearmand import open_queue

__all__ = ["queue_url", "refuse_queue", "without_password"]


def queue_url(store: str | None, options: QueueOptions) -> str | None:
    """Return the URL of the queue that a C server with these options uses, or None.

    A SQLite file that ``--store`` names is looked at as well: it may be that of a C server.

    Args:
        store: The URL of the store.
        options: The options of gearmand for its queues.
    """
    kind = options.queue_type
    if store is None or store == NO_STORE:
        return None
    if kind == "libsqlite3" or (kind is None and store.startswith("sqlite:")):
        return f"{store}?table={quote(options.libsqlite3_table)}"
    if kind == "mysql":
        return f"{store}?table={quote(options.mysql_table)}"
    if kind == "postgres":
        return f"{store}{'&' if '?' in store else '?'}table={quote(options.libpq_table)}"
    return store_of(options) if kind == "redis" else None  # which has the prefix already


async def refuse_queue(store: str | None, options: QueueOptions) -> bool:
    """Check that no jobs of a C server are where the options put the store.

    Returns:
        True if that is known; False if the place could not be opened, such as a database that is starting.

    Args:
        store: The URL of the store.
        options: The options of gearmand for its queues.

    Raises:
        StoreError: There are some; the message has the command that imports them.
    """
    url = queue_url(store, options)
    if store is None or url is None:
        return True
    with ThreadPoolExecutor(1) as thread:  # which ends, unlike those of the event loop; an idle one takes memory
        has_jobs = await asyncio.get_running_loop().run_in_executor(thread, _has_jobs, url)
    if not has_jobs:
        return has_jobs is not None
    shown, queue = without_password(store), without_password(url)
    command = shlex.join(["gearmand", "store", "import", shown, "--from", queue, "--delete"])
    raise StoreError(
        f"{shown} has jobs of a C server, which this server would not run. "
        f"Import them, and start it again:\n  {command}"
    )


def _has_jobs(url: str) -> bool | None:
    """Tell whether a queue has jobs; None if it cannot be opened."""
    try:
        queue = open_queue(url)
    except StoreError:  # such as a file that does not exist yet; a database that is away is an error of the store
        return None
    try:
        return next(iter(queue.jobs()), None) is not None
    except StoreError:  # such as no table of that name
        return False
    finally:
        queue.close()


def without_password(url: str) -> str:
    """Return a URL without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":PASSWORD@")))
