# SPDX-License-Identifier: MIT
"""What the stores share: a library that blocks, in a thread of its own, so that the event loop goes on.

Every engine has a well-kept library that blocks; for one connection and one call at a time it is as fast as any other.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar, TypeVar

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage.store import Opened, StoreError

__all__ = ["FAREWELL", "PATIENCE", "ThreadedStore"]

T = TypeVar("T")

# Seconds that a server of a store has for an answer. One that takes longer is away, as far as clients who wait for a
# commit are concerned.
PATIENCE = 30
# Seconds that the connection of a predecessor may take to be gone. While it is there, it is taken for another server.
FAREWELL = 2
_BEFORE_ALL = -(2**63)


class ThreadedStore(ABC):
    """A store whose methods with an underscore are called in one thread.

    Args:
        name: What errors call it.
        only_reads: Whether it leaves everything as it is, and to whom it belongs. A server may be using it.

    Attributes:
        failures: The errors of its library, which become `StoreError`.
    """

    failures: ClassVar[tuple[type[Exception], ...]] = (OSError,)

    def __init__(self, name: str, *, only_reads: bool = False) -> None:
        self.name = name
        self._only_reads = only_reads
        self._thread = ThreadPoolExecutor(1, "geartrain store")
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    async def open(self) -> Opened:
        """Get ready, or let go of everything; see `Store.open`."""
        try:
            return await self._do(self._open)
        except BaseException:
            await self.close()
            raise

    async def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        """Yield all jobs; see `Store.replay`."""
        after = _BEFORE_ALL
        while records := await self._do(partial(self._read, after)):
            yield records
            after = records[-1].number

    async def commit(self, batch: Batch) -> None:
        """Store a batch; see `Store.commit`."""
        assert not self._only_reads, "it was opened to be looked at"
        await self._do(partial(self._commit, batch))

    async def close(self) -> None:
        """Let go of it, once."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._do(self._close)
        self._thread.shutdown()

    async def _do(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, call)

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except StoreError:
            self._reset()
            raise
        except self.failures as error:
            self._reset()
            raise StoreError(f"{self.name}: {error}") from error

    @abstractmethod
    def _open(self) -> Opened:
        """Get ready."""

    @abstractmethod
    def _read(self, after: int) -> list[JobRecord]:
        """Return the next jobs, with numbers above ``after``, in their order."""

    @abstractmethod
    def _commit(self, batch: Batch) -> None:
        """Store all of a batch or nothing."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of everything."""

    def _check_schema(self, version: int, newest: int) -> None:
        """Refuse what a later version wrote, and to look at what has yet to be created or brought forward."""
        if version > newest:
            raise StoreError(f"{self.name}: written by a later version (schema {version}; this one knows {newest})")
        if self._only_reads and not version:
            raise StoreError(f"{self.name}: no server of ours has kept jobs there")
        if self._only_reads and version < newest:
            raise StoreError(
                f"{self.name}: written by an earlier version; a server that starts on it brings it forward"
            )

    def _reset(self) -> None:  # noqa: B027  # a file needs nothing
        """After a failure: begin anew with the next call."""
