# SPDX-License-Identifier: MIT
"""Redis as a store."""

import asyncio
from collections.abc import Iterator

import pytest
from redis import Redis

from geartrain.storage import CommitOutcome, Store, StoreError, open_store
from geartrain.testing.stores import put_new
from tests.storage.servers import JOBS, ExclusiveContract, outcome_of


class TestRedis(ExclusiveContract):
    kind = "redis"
    commit_marker = b"EVALSHA"

    def replace_token(self) -> None:
        with Redis(port=self.engine.port) as redis:
            assert redis.hset(f"{self.folder.name}:facts", "session", 1) == 0, "there was one"

    @pytest.fixture
    def redis(self) -> Iterator["Redis"]:
        """Someone else's connection; the settings are as before in the end."""
        with Redis(port=self.engine.port) as redis:
            settings = redis.config_get("append*", "maxmemory")
            yield redis
            for name in ("appendonly", "appendfsync", "maxmemory"):
                redis.config_set(name, settings[name])

    def test_an_engine_that_is_full_takes_nothing_of_a_batch(self, redis: "Redis") -> None:
        async def fill(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            redis.config_set("maxmemory", 1)
            assert await outcome_of(store, [put_new(JOBS[1:2])]) is CommitOutcome.NOT_STORED
            redis.config_set("maxmemory", 0)
            await store.commit([put_new(JOBS[2:3])])

        self.use(fill)

        assert [job.number for job in self.kept()] == [1, 3]

    def test_an_engine_that_lost_its_memory_is_no_reason_to_be_fenced(self, redis: "Redis") -> None:
        async def lose(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            redis.flushall()
            await store.commit([put_new(JOBS[1:2])])

        self.use(lose)

        assert self.kept() == JOBS[1:2]

    @pytest.mark.parametrize(
        ("name", "value", "warning"),
        [
            ("appendonly", "no", "appendonly is off, so a crash of Redis loses the jobs since its last snapshot"),
            ("appendfsync", "everysec", "appendfsync is everysec, so a power failure loses jobs"),
            ("appendfsync", "always", ""),
        ],
    )
    def test_an_engine_that_does_not_sync_is_warned_about(
        self, redis: "Redis", caplog: pytest.LogCaptureFixture, name: str, value: str, warning: str
    ) -> None:
        redis.config_set(name, value)
        self.use()

        assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [warning] * bool(warning)


@pytest.mark.parametrize("url", ["redis://host:port", "redis://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StoreError, match=r"[rR]edis"):
        asyncio.run(open_store(url).open())
