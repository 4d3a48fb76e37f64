# SPDX-License-Identifier: MIT
"""How a server leaves: what it waits for, for how long, and what the log has of it.

There are three ways. *Now* waits for nobody but the store. *Draining* lets the jobs end that run, has the store
written and what was said leave, all within a time; everything else goes to other servers, or stays in the store.
*Gracefully* lasts until no job is left, however long that takes. Whoever asks again is in a hurry.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping

from geartrain.core import Durability, JobServer, Shutdown
from geartrain.protocol.text import printable
from geartrain.reactor.flusher import Flusher
from geartrain.server.config.options import ServerOptions
from geartrain.server.logs import Level

__all__ = ["Departure"]

log = logging.getLogger("geartrain.server")

# Seconds that peers have to take what was written to them, when nobody waits longer.
_FAREWELL = 1.0
# The same for the store, when somebody hurries and when nobody does. It is longer than that of peers, who can go
# elsewhere: half a minute is when a database counts as away.
_STORE_HURRY = 1.0
_STORE_FAREWELL = 30.0
_MOST_NAMED = 5  # functions in one line


class Departure:
    """The end of a server, from the first wish that it may stop.

    Args:
        job_server: What decides about jobs.
        pump: What has the ways to all peers.
        options: How long draining may take, and when jobs are stored.

    Attributes:
        how: How it was asked for; None while nobody has.
        hurry: Set once somebody has asked again: nobody is waited for any more.
    """

    def __init__(self, job_server: JobServer, pump: Flusher, options: ServerOptions) -> None:
        self._job_server = job_server
        self._pump = pump
        self._patience = options.drain_timeout
        self._stores_last = options.durability is Durability.SHUTDOWN
        self._began = 0.0
        self._is_late = False
        self.how: Shutdown | None = None
        self.hurry = asyncio.Event()

    def ask(self, how: Shutdown) -> None:
        """Take note of a wish; one for less haste than there is changes nothing."""
        if how is Shutdown.GRACEFUL:
            self.how = self.how or how
        elif self.how in (None, Shutdown.GRACEFUL):
            self.how = how
            if how is Shutdown.DRAIN:
                self._drain()
        else:
            self.how = Shutdown.NOW
            self.hurry.set()

    def is_due(self, wish: Shutdown | None) -> bool:
        """Tell whether the time has come, given what a peer may have asked for as well."""
        if Shutdown.NOW in (self.how, wish):
            return True
        if self.how is Shutdown.DRAIN:
            return self._is_late or not self._job_server.running()
        return not self._job_server.has_work

    @property
    def farewell(self) -> float:
        """Seconds that peers have to take what was written to them."""
        return 0.0 if self.hurry.is_set() else max(_FAREWELL, self._left())

    async def is_over(self, storing: Coroutine[None, None, None]) -> bool:
        """Have the store written. Return whether it was done in time.

        When all jobs are stored at the end, and only then, it has all the time that it takes.
        """
        patience = None if self._stores_last else max(_STORE_FAREWELL, self._left())
        step = self._pump.loop.create_task(storing)
        hurry = self._pump.loop.create_task(self.hurry.wait())
        await asyncio.wait((step, hurry), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if self.hurry.is_set():
            await asyncio.wait((step,), timeout=_STORE_HURRY)
        hurry.cancel()
        if step.done():
            await step
            return True
        step.cancel()
        log.error("The store took too long; it is left as it is")
        return False

    def tell_end(self, running: Mapping[bytes, int], unstored: int, unsent: int, peers: int) -> None:
        """Say what nobody waited for any longer, and what becomes of the jobs that there are."""
        if rest := _listed(running, unstored, unsent, peers):
            log.warning("Left behind: %s", rest)
        stored, lost = self._job_server.background_jobs()
        if stored:
            log.log(Level.NOTICE, "%d background jobs stay in the store", stored)
        if lost:
            log.warning("%d background jobs are lost: no store has them", lost)

    def unsent(self) -> tuple[int, int]:
        """Return how many bytes wait for how many peers."""
        sizes = [outlet.unsent() for outlet in self._pump.outlets]
        return sum(sizes), sum(size > 0 for size in sizes)

    def _drain(self) -> None:
        loop = self._pump.loop
        self._began = loop.time()
        self._job_server.drain()
        loop.call_later(self._patience, self._run_out)
        running, unstored = self._job_server.running(), self._job_server.commit_queue.pending
        if rest := _listed(running, unstored, *self.unsent()):
            log.log(Level.NOTICE, "Draining for up to %g seconds, waiting for %s", self._patience, rest)

    def _run_out(self) -> None:
        self._is_late = True
        self._pump.schedule()

    def _left(self) -> float:
        """Return the seconds that are left for draining."""
        return self._began + self._patience - self._pump.loop.time() if self.how is Shutdown.DRAIN else 0.0


def _listed(running: Mapping[bytes, int], unstored: int, unsent: int, peers: int) -> str:
    """Return what there is of these, in words."""
    parts = []
    if running:
        functions = sorted(running.items(), key=lambda item: -item[1])
        named = [f"{printable(name).decode(errors='replace')} {count}" for name, count in functions[:_MOST_NAMED]]
        more = [f"{len(functions) - _MOST_NAMED} more functions"] if len(functions) > _MOST_NAMED else []
        parts.append(f"{sum(running.values())} running jobs ({', '.join(named + more)})")
    if unsent:
        parts.append(f"{unsent} bytes unsent to {peers} peers")
    if unstored:
        parts.append(f"{unstored} changes that the store does not have")
    return ", ".join(parts)
