# SPDX-License-Identifier: MIT
"""The contract of stores that have a server, as tests for any of them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ClassVar

import pytest

from geartrain.core.changes import Change, Forget
from geartrain.core.record import JobRecord
from geartrain.storage import CommitOutcome, Store, StoreError, open_store
from geartrain.testing import StoreContract
from geartrain.testing.stores import put_new
from tests.job_servers import free_port
from tests.storage.engines import PATIENCE, Engine
from tests.storage.holding_proxy import HoldingProxy
from tests.storage.places import clear, url_of

__all__ = ["ExclusiveContract", "ServerContract", "wait_until"]

JOBS = [JobRecord(number, b"H:%d" % number, b"f", b"", 1, b"w") for number in range(1, 6)]


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition, with a limit, as a thread that waits for ever could not be stopped."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"


@contextlib.asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    """Open a store, and close it after the block."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def outcome_of(store: Store, changes: list[Change]) -> CommitOutcome | None:
    """Return the outcome of a commit, or None if it succeeds."""
    try:
        await store.commit(changes)
    except StoreError as error:
        return error.outcome
    return None


class ServerContract(StoreContract):
    """Subclass this for each of the stores.

    Attributes:
        kind: The key of its engine.
        survivors: Those of the jobs 1, before its engine was killed, and 3, after that, that are there in the end.
    """

    kind: ClassVar[str]
    survivors: ClassVar[list[int]] = [1, 3]

    @pytest.fixture(autouse=True)
    def place(self, own_engine: Engine, tmp_path: Path) -> None:
        self.engine = own_engine
        self.folder = tmp_path
        self.url = url_of(self.kind, own_engine.port, tmp_path)
        clear(self.kind, own_engine)

    def store(self) -> Store:
        return open_store(self.url)

    def test_an_engine_that_takes_no_connections_may_be_tried_again(self) -> None:
        store = open_store(url_of(self.kind, free_port(), self.folder))

        with pytest.raises(StoreError) as caught:
            asyncio.run(store.open())

        assert caught.value.is_unavailable

    def test_it_is_back_after_its_engine_was_killed(self) -> None:
        async def lose(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            self.engine.kill()
            assert await outcome_of(store, [put_new(JOBS[1:2])]) in (CommitOutcome.NOT_STORED, CommitOutcome.UNKNOWN)
            self.engine.start()
            await store.commit([put_new(JOBS[2:3])])

        self.use(lose)

        assert [kept.number for kept in self.kept()] == self.survivors


class ExclusiveContract(ServerContract):
    """The same for stores that notice when another job server uses them.

    Attributes:
        commit_marker: Bytes that a store sends only to end a batch.
    """

    commit_marker: ClassVar[bytes]

    @pytest.fixture
    def proxy(self) -> "contextlib.AbstractContextManager[HoldingProxy]":
        return contextlib.closing(HoldingProxy(self.engine.port))

    def through(self, proxy: HoldingProxy) -> Store:
        """Return a store that talks to its engine through a proxy."""
        return open_store(url_of(self.kind, proxy.port, self.folder))

    def replace_token(self) -> None:
        """Replace the token of the server that has the store, as another server does that takes it over."""
        raise NotImplementedError

    def test_a_server_that_is_connected_is_fenced_when_another_one_takes_over(self) -> None:
        async def take_over(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            self.replace_token()
            assert await outcome_of(store, [Forget([1]), put_new(JOBS[1:2])]) is CommitOutcome.FENCED
            assert await outcome_of(store, [Forget([1]), put_new(JOBS[1:2])]) is CommitOutcome.FENCED

        self.use(take_over)

        assert self.kept() == JOBS[:1]

    def test_a_second_server_in_the_same_place_is_refused(self) -> None:
        async def again(_: Store) -> None:
            with pytest.raises(StoreError, match="another server uses it"):
                await self.store().open()

        self.use(again)

    def test_a_batch_that_was_in_doubt_is_not_stored_after_it_was_undone(
        self, proxy: "contextlib.AbstractContextManager[HoldingProxy]"
    ) -> None:
        async def doubt(holding: HoldingProxy) -> None:
            async with opened(self.through(holding)) as store:
                await store.commit([put_new(JOBS[:2])])
                holding.hold(self.commit_marker)
                assert await outcome_of(store, [Forget([1]), put_new(JOBS[2:3])]) is CommitOutcome.UNKNOWN
                await store.commit([Forget([3]), put_new(JOBS[3:4])])
                await asyncio.to_thread(holding.release)
                await store.commit([put_new(JOBS[4:5])])

        with proxy as holding:
            asyncio.run(doubt(holding))

        assert [kept.number for kept in self.kept()] == [1, 2, 4, 5]

    def test_a_server_that_was_cut_off_while_another_one_took_over_is_fenced(
        self, proxy: "contextlib.AbstractContextManager[HoldingProxy]"
    ) -> None:
        async def take_over(holding: HoldingProxy) -> None:
            async with opened(self.through(holding)) as first:
                await first.commit([put_new(JOBS[:1])])
                holding.cut()
                async with opened(self.store()) as second:
                    await second.commit([Forget([1]), put_new(JOBS[1:2])])
                    outcome = await outcome_of(first, [put_new(JOBS[2:3])])
                    assert outcome in (CommitOutcome.NOT_STORED, CommitOutcome.FENCED)
                    assert await outcome_of(first, []) is CommitOutcome.FENCED
                assert await outcome_of(first, [Forget([2])]) is CommitOutcome.FENCED

        with proxy as holding:
            asyncio.run(take_over(holding))

        assert self.kept() == JOBS[1:2]

    def test_a_connection_that_was_cut_is_no_reason_to_be_fenced(
        self, proxy: "contextlib.AbstractContextManager[HoldingProxy]"
    ) -> None:
        async def cut(holding: HoldingProxy) -> None:
            async with opened(self.through(holding)) as store:
                for job in JOBS:
                    holding.cut()
                    assert await outcome_of(store, []) is not CommitOutcome.FENCED
                    await store.commit([put_new([job])])

        with proxy as holding:
            asyncio.run(cut(holding))

        assert self.kept() == JOBS
