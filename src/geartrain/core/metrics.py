# SPDX-License-Identifier: MIT
"""Numbers that describe the whole server. A new metric is a line here."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from geartrain.core.commit_queue import CommitQueue
from geartrain.core.cron import Schedules
from geartrain.core.functions import FunctionTable
from geartrain.core.jobtable import JobTable
from geartrain.core.limits import Limit
from geartrain.core.state import Peer
from geartrain.core.wakeups import Wakeups

__all__ = ["METRICS", "MetricSources"]


class MetricSources:
    """The parts of the server that metrics are read from."""

    __slots__ = ("commit_queue", "functions", "jobs", "peers", "refused", "schedules", "wakeups")

    def __init__(
        self,
        functions: FunctionTable,
        jobs: JobTable,
        schedules: Schedules,
        peers: dict[Peer, None],
        wakeups: Wakeups,
        commit_queue: CommitQueue,
        refused: dict[Limit, int],
    ) -> None:
        self.functions = functions
        self.jobs = jobs
        self.schedules = schedules
        self.peers = peers
        self.wakeups = wakeups
        self.commit_queue = commit_queue
        self.refused = refused

    def values(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the value of each metric."""
        for name, read in METRICS.items():
            yield name, read(self)


Metric: TypeAlias = Callable[[MetricSources], int]

METRICS: Final[dict[str, Metric]] = {
    "connections": lambda server: len(server.peers),
    "functions": lambda server: len(server.functions),
    "jobs": lambda server: len(server.jobs),
    "workload_bytes": lambda server: int(server.jobs.held + server.schedules.held),
    "awaited_jobs": lambda server: sum([len(peer.awaited) for peer in server.peers]),
    "schedules": lambda server: len(server.schedules),
    "wakeups": lambda server: server.wakeups.sent,
    "wakeups_unanswered": lambda server: server.wakeups.unanswered,
    "workers_unresponsive": lambda server: len(server.wakeups.unresponsive),
    "store_batches": lambda server: int(server.commit_queue.batches),
    "store_failures": lambda server: int(server.commit_queue.failures),
    "store_pending": lambda server: server.commit_queue.pending,
    "refused": lambda server: sum(server.refused.values()),
}
