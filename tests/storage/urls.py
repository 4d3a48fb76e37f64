# SPDX-License-Identifier: MIT
"""Where the stores of tests are."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pymysql

from tests.storage.engines import Engine

__all__ = ["KINDS", "mysql", "url_of"]

KINDS = ["sqlite", "postgres", "mysql", "redis", "memcached"]


def url_of(kind: str, port: int, folder: Path) -> str:
    """Return the URL of a store of some kind, of an engine on a port; its keys or files are named by a folder."""
    return {
        "sqlite": f"sqlite://{folder}/jobs.db",
        "postgres": f"postgresql://postgres@127.0.0.1:{port}/postgres",
        "mysql": f"mysql://geartrain@127.0.0.1:{port}/test",
        "redis": f"redis://127.0.0.1:{port}?prefix={folder.name}",
        "memcached": f"memcached://127.0.0.1:{port}?prefix={folder.name}",
    }[kind]


@contextlib.contextmanager
def mysql(engine: Engine) -> Iterator[pymysql.cursors.Cursor]:
    """Talk to a MariaDB directly."""
    connection = pymysql.connect(host="127.0.0.1", port=engine.port, user="geartrain", database="test", autocommit=True)
    with contextlib.closing(connection), connection.cursor() as cursor:
        yield cursor
