# SPDX-License-Identifier: MIT
"""Memcached as a store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain.storage import Store, open_store
from geartrain.testing import StoreContract
from tests.storage.engines import Engine, memcached


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with memcached(tmp_path_factory.mktemp("memcached")).running() as running:
        yield running


class TestMemcached(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, engine: Engine, tmp_path: Path) -> None:
        self.engine = engine
        self.url = f"memcached://127.0.0.1:{engine.port}?prefix={tmp_path.name}"

    def store(self) -> Store:
        return open_store(self.url)
