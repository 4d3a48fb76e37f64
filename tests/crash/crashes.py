# SPDX-License-Identifier: MIT
"""A job server and its store, killed again and again at random moments."""

import asyncio
import contextlib
import enum
import random
from collections.abc import AsyncIterator, Callable, Coroutine

from geartrain import AdminClient
from geartrain.testing import ServerProcess
from tests.crash.books import Books
from tests.crash.peers import PATIENCE, Peer, Refused, recover, submit, work
from tests.storage.engines import Engine
from tests.storage.places import Place

__all__ = ["Crashes", "Victim"]

_LONGEST = 400  # answers to submissions in a life
_SOON = 0.01  # seconds after an answer in which the next one may be under way


class Victim(enum.Enum):
    """The processes that are killed at the end of a life."""

    SERVER = "the server"
    SERVER_FIRST = "the server, then the database"
    DATABASE_FIRST = "the database, then the server"
    DATABASE_ALONE = "the database, and the server when it had gone on"


class Crashes:
    """A server that is started and killed until a promise is broken.

    Args:
        place: The place of its jobs.
        seed: Decides what happens, as far as a test can.
    """

    def __init__(self, place: Place, seed: int) -> None:
        self._place = place
        self._chance = random.Random(seed)
        self.books = Books(self._chance)
        self._left = 0  # answers until the end of this life
        self._moment: asyncio.Event

    def live_and_die(self) -> Victim:
        """Start the server, look what it has kept, give it work, kill it; return who was killed."""
        victim = Victim.SERVER if self._place.engine is None else self._chance.choice(list(Victim))
        with self._server() as server:
            asyncio.run(self._life(server, victim))
        if victim in (Victim.SERVER_FIRST, Victim.DATABASE_FIRST):
            self._engine.start()
        return victim

    def look(self) -> None:
        """Start the server, look what it has kept, and stop it."""
        with self._server() as server:
            asyncio.run(self._recover(server))
            server.stop()

    @property
    def _engine(self) -> Engine:
        assert self._place.engine is not None, "otherwise there is another victim"
        return self._place.engine

    def _server(self) -> ServerProcess:
        return ServerProcess(f"--store={self._place.url}", "--durability=commit")

    async def _life(self, server: ServerProcess, victim: Victim) -> None:
        self._moment = asyncio.Event()
        if self._chance.random() < 0.8:
            await self._recover(server)
            self._left = self._chance.randrange(1, _LONGEST)
            tasks = [self._begin(server, submit) for _ in range(3)] + [self._begin(server, work) for _ in range(2)]
        else:  # it dies before all that it was given earlier is done
            self._left = self._chance.randrange(1, 10)
            tasks = [asyncio.create_task(_until_the_end(self._recover(server)))]
        await self._wait_for_the_moment(tasks)
        await self._kill(server, victim, tasks)
        await asyncio.gather(*tasks)

    async def _recover(self, server: ServerProcess) -> None:
        async with self._peer(server) as peer:
            came = await recover(peer)
        with AdminClient(server.address) as admin:
            waiting = [job.handle.encode() for job in await asyncio.to_thread(admin.jobs)]
        self.books.recovered(came, waiting)

    def _begin(
        self, server: ServerProcess, activity: Callable[[Peer, random.Random], Coroutine[None, None, None]]
    ) -> asyncio.Task[None]:
        async def run() -> None:
            async with self._peer(server) as peer:
                await activity(peer, self._chance)

        return asyncio.create_task(_until_the_end(run()))

    @contextlib.asynccontextmanager
    async def _peer(self, server: ServerProcess) -> AsyncIterator[Peer]:
        peer = Peer(self.books, self._answered)
        await peer.connect(server.port)
        try:
            yield peer
        finally:
            peer.close()

    def _answered(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._moment.set()

    async def _wait_for_the_moment(self, tasks: list[asyncio.Task[None]]) -> None:
        """Return when there were enough answers, and the next ones may be under way."""
        moment = asyncio.create_task(self._moment.wait())
        await asyncio.wait([moment, *tasks], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        moment.cancel()
        await asyncio.sleep(self._chance.random() * _SOON)

    async def _kill(self, server: ServerProcess, victim: Victim, tasks: list[asyncio.Task[None]]) -> None:
        if victim is Victim.DATABASE_FIRST:
            await asyncio.to_thread(self._engine.kill)
        elif victim is Victim.DATABASE_ALONE:
            await asyncio.to_thread(self._engine.kill)
            await asyncio.to_thread(self._engine.start)
            self._moment.clear()
            self._left = self._chance.randrange(1, _LONGEST)
            await self._wait_for_the_moment(tasks)
        server.process.kill()
        if victim is Victim.SERVER_FIRST:
            await asyncio.to_thread(self._engine.kill)


async def _until_the_end(activity: Coroutine[None, None, None]) -> None:
    """Do something until the server or its store ends."""
    with contextlib.suppress(ConnectionError, Refused):
        await activity
