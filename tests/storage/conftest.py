# SPDX-License-Identifier: MIT
"""Database servers for all tests that do not kill them."""

from collections.abc import Iterator

import pytest

from tests.storage.engines import Engine, mariadb, memcached, postgres, redis


@pytest.fixture(scope="session")
def postgres_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with postgres(tmp_path_factory.mktemp("postgres")).running() as running:
        yield running


@pytest.fixture(scope="session")
def mariadb_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with mariadb(tmp_path_factory.mktemp("mariadb")).running() as running:
        yield running


@pytest.fixture(scope="session")
def redis_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with redis(tmp_path_factory.mktemp("redis")).running() as running:
        yield running


@pytest.fixture(scope="session")
def memcached_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with memcached(tmp_path_factory.mktemp("memcached")).running() as running:
        yield running
