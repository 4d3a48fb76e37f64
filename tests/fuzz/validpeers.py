# SPDX-License-Identifier: MIT
"""A valid client and worker, which must work undisturbed while the server is under attack."""

import asyncio
import hashlib
import random
from collections import Counter

from geartrain import TLS, AsyncAssignedJob, AsyncClient, AsyncWorker, GeartrainError, JobRequest, Priority

__all__ = ["ValidPeers"]

_AT_ONCE = 20
_TIMEOUT = 60.0


class ValidPeers:
    """The client and the worker, with their jobs and results.

    Args:
        server: The address of the job server.
        tls: The TLS settings, or None for clear text.
        function: A name that no attacker can guess.

    Attributes:
        done: Number of completed jobs.
    """

    def __init__(self, server: str, tls: TLS | None, function: str) -> None:
        self._server = server
        self._tls = tls
        self._function = function
        self._asked = 0
        self._runs: Counter[bytes] = Counter()
        self._background: dict[bytes, asyncio.Event] = {}
        self._is_over = False

    @property
    def done(self) -> int:
        """Number of completed jobs."""
        return self._runs.total()

    async def live(self) -> None:
        """Submit and run jobs until stopped, and check that each ran once, with the right result.

        Raises:
            AssertionError: A check failed.
        """
        self._is_over = False
        worker = AsyncWorker(self._server, tls=self._tls, client_id="valid", concurrency=5)
        worker.add_function(self._function, self._work)
        async with worker, AsyncClient(self._server, tls=self._tls) as client:
            while not self._is_over:
                try:
                    await self._have_done(client)
                except (GeartrainError, TimeoutError) as error:
                    raise AssertionError(f"a valid peer got an error: {error!r}") from error

    def leave(self) -> None:
        """Stop after the jobs that have begun."""
        self._is_over = True

    async def _work(self, job: AsyncAssignedJob) -> bytes:
        workload = bytes(job.workload)
        self._runs[workload] += 1
        if workload in self._background:
            self._background[workload].set()
        return hashlib.sha256(workload).digest()

    async def _have_done(self, client: AsyncClient[str | bytes, bytes]) -> None:
        workloads = [self._workload() for _ in range(_AT_ONCE)]
        requests = [
            JobRequest(self._function, workload, priority=random.choice(list(Priority))) for workload in workloads
        ]
        background = self._workload()
        self._background[background] = asyncio.Event()
        await client.submit_background(self._function, background)
        for workload, job in zip(workloads, await client.submit_many(requests), strict=True):
            result = await job.result(_TIMEOUT)
            assert result == hashlib.sha256(workload).digest(), f"{job} returned {result!r:.100}"
            runs = self._runs[workload]
            assert runs == 1, f"{job} ran {runs} times"
        await asyncio.wait_for(self._background.pop(background).wait(), _TIMEOUT)
        assert self._runs[background] == 1, f"a background job ran {self._runs[background]} times"

    def _workload(self) -> bytes:
        self._asked += 1
        return b"%d\0REQ\n" % self._asked + random.randbytes(random.choice((0, 10, 1000, 20_000)))
