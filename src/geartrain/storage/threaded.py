# SPDX-License-Identifier: MIT
"""Base of the stores: a blocking library in its own thread, so that the event loop goes on.

Every engine has a well-kept blocking library; for one connection and one call at a time it is as fast as any other.

At the end of each engine stands a table from classes of changes to methods: a new class of changes is one method and
one line there.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import ClassVar, TypeVar

from geartrain.core.changes import Change, Forget
from geartrain.core.packing import CorruptRecord
from geartrain.core.record import JobRecord
from geartrain.storage.store import CommitOutcome, Opened, StoreError

__all__ = ["ANSWER_TIMEOUT", "LOCK_TIMEOUT", "ThreadedStore"]

T = TypeVar("T")

ANSWER_TIMEOUT = 30  # seconds that a database server has for an answer; afterwards the store counts as away
# Seconds that the connection of a predecessor may take to close. While it is open it counts as another server.
LOCK_TIMEOUT = 2
_BEFORE_ALL = -(2**63)
_MAX_ATTEMPTS = 10  # of a batch that is rolled back because of other transactions


class ThreadedStore(ABC):
    """A store whose methods with an underscore are called in one thread.

    Args:
        name: The store's name in errors.
        only_reads: Leave everything as it is; a server may be using the store.

    Attributes:
        failures: Errors of the engine's library, which become `StoreError`.
        absences: Those of them that mean that the engine cannot be reached, or takes no connections yet.
    """

    failures: ClassVar[tuple[type[Exception], ...]] = (OSError,)
    absences: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, name: str, *, only_reads: bool = False) -> None:
        self.name = name
        self._only_reads = only_reads
        self._thread = ThreadPoolExecutor(1, "geartrain store")
        self._is_closed = False
        self._in_doubt = False  # whether a failure now leaves open if the batch is stored

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    async def open(self) -> Opened:
        """Prepare the store, or close it; see `Store.open`."""
        try:
            return await self._do(self._open)
        except BaseException as error:
            if not (isinstance(error, StoreError) and error.is_unavailable):
                await self.close()
            raise

    async def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        """Yield all records; see `Store.replay`."""
        after = _BEFORE_ALL
        while records := await self._do(partial(self._read, after)):
            yield records
            after = records[-1].number

    async def commit(self, changes: Sequence[Change]) -> None:
        """Store changes; see `Store.commit`."""
        assert not self._only_reads, "it was opened for reading"
        endings_first = sorted(changes, key=lambda change: not isinstance(change, Forget))
        await self._do(partial(self._commit_repeatedly, endings_first))

    async def close(self) -> None:
        """Close the store; see `Store.close`."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._do(self._close)
        self._thread.shutdown()

    async def _do(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, call)

    def _guarded(self, call: Callable[[], T]) -> T:
        self._in_doubt = False
        try:
            return call()
        except StoreError:
            self._reset()
            raise
        except (CorruptRecord, OverflowError) as error:
            raise self._failure(error) from error
        except self.failures as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> StoreError:
        """Close the connection, and translate an error."""
        self._reset()
        outcome = CommitOutcome.UNKNOWN if self._in_doubt else CommitOutcome.NOT_STORED
        message = " ".join(str(error).split())  # libpq's has several lines
        return StoreError(f"{self.name}: {message}", outcome, is_unavailable=isinstance(error, self.absences))

    @contextmanager
    def _doubt(self) -> Iterator[None]:
        """Leave it open whether the batch is stored if the block, which ends its transaction, fails."""
        self._in_doubt = True
        yield
        self._in_doubt = False

    def _commit_repeatedly(self, changes: Sequence[Change]) -> None:
        """Commit, and repeat the same batch if the engine rolled it back in favour of other transactions."""
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            self._in_doubt = False
            try:
                self._commit(changes)
                return
            except self.failures as error:
                if attempt == _MAX_ATTEMPTS or not self._is_conflict(error):
                    raise

    def _is_conflict(self, error: Exception) -> bool:
        """Tell whether an error is a deadlock or a serialisation failure, and the transaction was rolled back."""
        return False

    @abstractmethod
    def _open(self) -> Opened:
        """Prepare the store."""

    @abstractmethod
    def _read(self, after: int) -> list[JobRecord]:
        """Return the next records, with numbers above ``after``, ordered by number."""

    @abstractmethod
    def _commit(self, changes: Sequence[Change]) -> None:
        """Store all changes, in this order, or none."""

    @abstractmethod
    def _close(self) -> None:
        """Close the store."""

    def _check_schema(self, version: int, newest: int) -> None:
        """Refuse a schema of a later version, and to read one that has yet to be created or migrated."""
        if version > newest:
            raise StoreError(f"{self.name}: written by a later version (schema {version}; this one knows {newest})")
        if self._only_reads and not version:
            raise StoreError(f"{self.name}: there are no jobs of a Geartrain server")
        if self._only_reads and version < newest:
            raise StoreError(
                f"{self.name}: written by an earlier version; start a server with this store to migrate it"
            )

    def _reset(self) -> None:  # noqa: B027  # a file needs nothing
        """Close the connection after a failure; the next call opens another one."""
