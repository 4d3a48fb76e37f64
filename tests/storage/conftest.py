# SPDX-License-Identifier: MIT
"""Database servers for the tests of stores."""

from collections.abc import Callable, Iterator

import pytest

from tests.storage.engines import Engine
from tests.storage.places import ENGINES


@pytest.fixture(scope="class")
def own_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of a class of tests, which they may kill; their attribute ``kind`` says which one it is."""
    kind = request.cls.kind
    with ENGINES[kind](tmp_path_factory.mktemp(kind)).running() as running:
        yield running


def _shared(kind: str) -> Callable[[pytest.TempPathFactory], Iterator[Engine]]:
    @pytest.fixture(scope="session", name=f"{kind}_engine")
    def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
        with ENGINES[kind](tmp_path_factory.mktemp(kind)).running() as running:
            yield running

    return engine


# For all tests that do not kill them.
postgres_engine, mysql_engine, redis_engine, memcached_engine = map(_shared, ENGINES)
