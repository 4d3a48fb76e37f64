# SPDX-License-Identifier: MIT
"""A client and a worker that do nothing wrong, beside all those who do: they must not notice."""

import asyncio
import hashlib
import random
from collections import Counter

from geartrain import TLS, AsyncAssignedJob, AsyncClient, AsyncWorker, GeartrainError, JobRequest, Priority

__all__ = ["Bystanders"]

_AT_ONCE = 20
_PATIENCE = 30.0


class Bystanders:
    """Both of them, with all that they have asked for and got.

    Args:
        server: Where the job server listens.
        tls: How to speak with it, if not in clear text.
        function: A name that nobody else comes upon.

    Attributes:
        done: How many jobs were done.
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
        """How many jobs they have had done."""
        return self._runs.total()

    async def live(self) -> None:
        """Submit and do jobs until told to leave, and see that each was done once, and right.

        Raises:
            AssertionError: One was not.
        """
        self._is_over = False
        worker = AsyncWorker(self._server, tls=self._tls, client_id="bystander", concurrency=5)
        worker.add_function(self._function, self._work)
        async with worker, AsyncClient(self._server, tls=self._tls) as client:
            while not self._is_over:
                try:
                    await self._have_done(client)
                except (GeartrainError, TimeoutError) as error:
                    raise AssertionError(f"who does nothing wrong is let down: {error!r}") from error

    def leave(self) -> None:
        """Let them end what they have begun."""
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
            result = await job.result(_PATIENCE)
            assert result == hashlib.sha256(workload).digest(), f"{job} brought {result!r:.100}"
            runs = self._runs[workload]
            assert runs == 1, f"{job} was done {runs} times"
        await asyncio.wait_for(self._background.pop(background).wait(), _PATIENCE)
        assert self._runs[background] == 1, f"a background job was done {self._runs[background]} times"

    def _workload(self) -> bytes:
        self._asked += 1
        return b"%d\0REQ\n" % self._asked + random.randbytes(random.choice((0, 10, 1000, 20_000)))
