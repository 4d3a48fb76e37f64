# SPDX-License-Identifier: MIT
"""Redis as a store."""

import asyncio

import pytest

from geartrain.storage import StoreError, open_store
from tests.storage.servers import ExclusiveContract


class TestRedis(ExclusiveContract):
    kind = "redis"


@pytest.mark.parametrize("url", ["redis://host:port", "redis://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StoreError, match=r"[rR]edis"):
        asyncio.run(open_store(url).open())
