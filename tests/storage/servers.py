# SPDX-License-Identifier: MIT
"""What stores that have a server keep to besides the contract, as tests for any of them."""

from pathlib import Path
from typing import ClassVar

import pytest

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage import Store, StoreError, open_store
from geartrain.testing import StoreContract
from tests.storage.engines import Engine
from tests.storage.places import clear, url_of

__all__ = ["ExclusiveContract", "ServerContract"]


class ServerContract(StoreContract):
    """Subclass this, and say which store it is.

    Attributes:
        kind: The key of its engine.
        survivors: Which of the jobs 1, before its engine was killed, and 3, after that, are there in the end.
    """

    kind: ClassVar[str]
    survivors: ClassVar[list[int]] = [1, 3]

    @pytest.fixture(autouse=True)
    def place(self, own_engine: Engine, tmp_path: Path) -> None:
        self.engine = own_engine
        self.url = url_of(self.kind, own_engine.port, tmp_path)
        clear(self.kind, own_engine)

    def store(self) -> Store:
        return open_store(self.url)

    def test_it_is_back_after_its_engine_was_killed(self) -> None:
        job = JobRecord(1, b"H:1", b"f", b"", 1, b"w")

        async def lose(store: Store) -> None:
            await store.commit(Batch([job]))
            self.engine.kill()
            with pytest.raises(StoreError):
                await store.commit(Batch([job._replace(number=2)]))
            self.engine.start()
            await store.commit(Batch([job._replace(number=3)]))

        self.use(lose)

        assert [kept.number for kept in self.kept()] == self.survivors


class ExclusiveContract(ServerContract):
    """The same for stores that notice when another job server uses them."""

    def test_a_second_server_in_the_same_place_is_refused(self) -> None:
        async def again(_: Store) -> None:
            with pytest.raises(StoreError, match="another server uses it"):
                await self.store().open()

        self.use(again)
