# SPDX-License-Identifier: MIT
"""Listings of the server's state as plain values.

A listing is a method that yields tuples, in the order of the columns that `geartrain.protocol.text` declares for its
command. This module makes text replies from the tuples; other formats and metrics use the same tuples.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from geartrain.core.abilities import functions
from geartrain.core.clock import TurnClock
from geartrain.core.cron import Schedules
from geartrain.core.functions import FunctionTable
from geartrain.core.jobdeadlines import JobDeadlines
from geartrain.core.jobtable import JobTable
from geartrain.core.limits import Limit
from geartrain.core.metrics import MetricSources
from geartrain.core.running import count_running
from geartrain.core.sleepstate import SleepState
from geartrain.core.stalls import Stalls
from geartrain.core.state import Peer
from geartrain.protocol.text import END, TextCommand, listing_line, printable
from geartrain.records import Priority

__all__ = ["Row", "Snapshot"]

Value: TypeAlias = bytes | str | int | float
Row: TypeAlias = tuple[Value, ...]

_HALF: Final = 0.5
_MOST: Final = 0.95


class Snapshot:
    """Reads the state of the server.

    Args:
        clock: The time.
        functions: All functions.
        jobs: All jobs.
        delays: Those that wait for their time.
        schedules: All schedules.
        stalls: The stalled queues.
        peers: All peers.
        metrics: Numbers that describe the whole server.
        refused: Number of rejections by each limit.
    """

    __slots__ = (
        "_clock",
        "_delays",
        "_functions",
        "_jobs",
        "_listings",
        "_metrics",
        "_peers",
        "_refused",
        "_schedules",
        "_stalls",
    )

    def __init__(
        self,
        clock: TurnClock,
        functions: FunctionTable,
        jobs: JobTable,
        delays: JobDeadlines,
        schedules: Schedules,
        stalls: Stalls,
        peers: dict[Peer, None],
        metrics: MetricSources,
        refused: dict[Limit, int],
    ) -> None:
        self._clock = clock
        self._functions = functions
        self._jobs = jobs
        self._delays = delays
        self._schedules = schedules
        self._stalls = stalls
        self._peers = peers
        self._metrics = metrics
        self._refused = refused
        self._listings: dict[TextCommand, Callable[[], Iterator[Row]]] = {
            TextCommand.STATUS: self._status,
            TextCommand.PRIORITY_STATUS: self._priority_status,
            TextCommand.SHOW_JOBS: self._show_jobs,
            TextCommand.SHOW_UNIQUE_JOBS: self._unique_jobs,
            TextCommand.SHOW_SCHEDULES: self._show_schedules,
            TextCommand.SHOW_STALLS: self._show_stalls,
            TextCommand.SHOW_LIMITS: self._show_limits,
            TextCommand.SHOW_FUNCTIONS: self._show_functions,
            TextCommand.SHOW_METRICS: self._metrics.values,
            TextCommand.SHOW_CONNECTIONS: self._show_connections,
            TextCommand.SHOW_DELAYED: self._show_delayed,
        }

    def rows(self, command: TextCommand) -> Iterator[Row]:
        """Yield the rows of a listing."""
        return self._listings[command]()

    def lines(self, command: TextCommand) -> Iterator[bytes]:
        """Yield a listing piece by piece, as the reply to a text command; the state may change between two pieces."""
        if command is TextCommand.WORKERS:
            yield from self._workers()
        else:
            for row in self.rows(command):
                yield listing_line(b"\t".join([_text(value) for value in row]))
        yield END

    def _workers(self) -> Iterator[bytes]:
        """Yield the lines of ``workers``, which have another form than all other listings."""
        for peer in list(self._peers):
            if peer not in self._peers:
                continue
            client_id = printable(peer.client_id, spaces=False) or b"-"
            yield b"%d %b %b :" % (peer.fd, peer.host.encode(), client_id)
            for name in functions(peer):
                yield b" " + printable(name, spaces=False)
            yield b"\n"

    def _status(self) -> Iterator[Row]:
        for queue in self._functions.queues():
            yield queue.name, int(queue.total), int(queue.running), len(queue.workers)

    def _priority_status(self) -> Iterator[Row]:
        for queue in self._functions.queues():
            high, normal, low = queue.lines
            yield queue.name, int(high.size), int(normal.size), int(low.size), len(queue.workers)

    def _show_jobs(self) -> Iterator[Row]:
        for job in list(self._jobs):
            yield job.handle, int(job.losses), int(not job.has_owner), int(job.is_durable)

    def _unique_jobs(self) -> Iterator[Row]:
        for job in list(self._jobs):
            yield (job.unique,)

    def _show_schedules(self) -> Iterator[Row]:
        for each in list(self._schedules):
            yield (
                each.handle,
                each.function,
                each.cron,
                each.due,
                each.unique,
                each.timezone.encode() or str(self._schedules.zone),
                Priority(each.priority).name.lower(),
            )

    def _show_stalls(self) -> Iterator[Row]:
        for queue, seconds, reason in self._stalls.current(self._clock.now):
            yield queue.name, int(queue.waiting), len(queue.workers), int(seconds), reason.value

    def _show_limits(self) -> Iterator[Row]:
        for limit, count in self._refused.items():
            yield limit.value, count

    def _show_connections(self) -> Iterator[Row]:
        for peer in list(self._peers):
            yield (
                peer.fd,
                peer.host,
                peer.client_id,
                SleepState(peer.sleep_state).name.lower(),
                len(peer.abilities),
                count_running(peer),
                len(peer.awaited),
                peer.reader.held,
                int(peer.outbox.size()) + peer.outbox.held_size(),
            )

    def _show_delayed(self) -> Iterator[Row]:
        for when, job in self._delays.in_order():
            yield job.handle, job.queue.name, f"{when:.3f}", job.unique, Priority(job.priority).name.lower()

    def _show_functions(self) -> Iterator[Row]:
        for queue in self._functions.queues():
            stats = queue.stats
            waited, ran = stats.waiting, stats.running
            waiting, running = int(queue.waiting), int(queue.running)
            yield (
                queue.name,
                waiting,
                int(queue.total) - waiting - running,
                running,
                len(queue.workers),
                *[count for _, count in stats.counters()],
                waited.quantile(_HALF) if waited is not None else 0.0,
                waited.quantile(_MOST) if waited is not None else 0.0,
                ran.quantile(_HALF) if ran is not None else 0.0,
                ran.quantile(_MOST) if ran is not None else 0.0,
            )


def _text(value: Value) -> bytes:
    if isinstance(value, bytes):
        return printable(value)
    if isinstance(value, str):
        return value.encode()
    return b"%d" % value if isinstance(value, int) else b"%g" % value
