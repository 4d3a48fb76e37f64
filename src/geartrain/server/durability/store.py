# SPDX-License-Identifier: MIT
"""The choice of a store."""

# ruff: noqa: RUF009  # option() returns a dataclass field
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from geartrain.core import Durability
from geartrain.server.config.kinds import SECONDS, Kind, OptionError, choice
from geartrain.server.config.option import Group, option
from geartrain.server.listen.endpoints import Endpoint
from geartrain.server.process.default_paths import DefaultPaths
from geartrain.storage import SQLiteStore, Store, StoreError, open_store

__all__ = ["NO_STORE", "StoreOptions", "check_store", "choose_store"]

NO_STORE = "none"  # the URL of a server that keeps no jobs


def _store(text: str) -> str:
    if text.lower() == NO_STORE:
        return NO_STORE
    try:
        open_store(text)
    except StoreError as error:
        raise OptionError(str(error)) from None
    return text


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """The store, and when it gets a job."""

    store: str | None = option(
        None,
        Kind("URL", _store),
        Group.STORE,
        "the store of background jobs: sqlite:///FILE, none, or KIND://USER:PASSWORD@HOST:PORT/DATABASE, where KIND is "
        "postgresql, mysql, redis or memcached",
        details="sqlite:///var/lib/jobs.db is an absolute path, sqlite:jobs.db a relative one. Foreground jobs are not "
        "stored. Under systemd, the default file is in the StateDirectory. Each server needs a store of its own.",
        example="postgresql://gear:secret@db/jobs",
        default_text="a SQLite file with the port in its name: for root in /var/lib/geartrain, otherwise in "
        "~/.local/state/geartrain; none with --port 0",
    )
    durability: Durability = option(
        Durability.COMMIT,
        choice(Durability, "WHEN"),
        Group.STORE,
        "when to store a background job: before its client gets an answer (commit), soon after (relaxed), when the "
        "server stops (shutdown), or never (none)",
        details="With commit, a job whose client got an answer is not lost, even in a power failure. Jobs that arrive "
        "together are stored together, so this is fast. In a crash, relaxed loses the jobs of the last second, or "
        "those since the store failed, and shutdown loses all jobs.",
        example="relaxed",
    )
    store_within: float = option(
        1.0,
        SECONDS,
        Group.STORE,
        "with --durability relaxed: seconds until a job is stored",
        details="A longer time makes larger batches, but a crash can lose more jobs.",
        example="0.2",
    )
    store_wait: float = option(
        30.0,
        SECONDS,
        Group.STORE,
        "seconds to wait at the start until the database accepts connections; 0: do not wait",
        details="A database that starts together with the server may need some time. The server logs the reason and "
        "tries again. It does not listen for connections before the store is open. After other errors it stops at "
        "once, for example if another server uses the store.",
        example="120",
    )
    # Longer than the time of peers, which can connect to another server: after half a minute, a database counts as
    # down.
    store_close_timeout: float = option(
        30.0,
        SECONDS,
        Group.STORE,
        "when the server stops, seconds to wait until the last changes are stored",
        details="Without this limit, the server could not stop while its store does not answer. Jobs that are not "
        "stored then were not acknowledged to their clients. With --durability shutdown there is no limit.",
        example="60",
    )
    force_timeout: float = option(
        1.0,
        SECONDS,
        Group.STORE,
        "like --store-close-timeout, after a second SIGTERM or SIGINT",
        details="A second signal means that the server has to stop quickly.",
        example="5",
    )


def check_store(url: str) -> None:
    """Check a store without opening it: its library, its address, and the folder of its file.

    Raises:
        StoreError: One of these is wrong.
    """
    if url == NO_STORE:
        return
    store = open_store(url)
    parts = urlsplit(url)
    try:
        if parts.hostname:
            socket.getaddrinfo(parts.hostname, parts.port)
    except (OSError, UnicodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(f"{store!r}: {reason}") from error
    if isinstance(store, SQLiteStore):
        _check_folder(Path(unquote(parts.path)))


def _check_folder(file: Path) -> None:
    """Check that a file can be written, or made in a folder that exists or can be made."""
    if file.is_dir():
        raise StoreError(f"{file}: this is a folder")
    existing = next(path for path in (file, *file.absolute().parents) if path.exists())
    if not existing.is_file() and not existing.is_dir():
        raise StoreError(f"{existing}: this is not a regular file")
    if not os.access(existing, os.W_OK):
        raise StoreError(f"{existing}: Permission denied")
    if existing != file and not existing.is_dir():
        raise StoreError(f"{existing}: this is no folder")


def choose_store(options: StoreOptions, endpoints: Sequence[Endpoint], default_port: int) -> Store | None:
    """Return the store that the options name, or the default one, or None for a server that keeps no jobs.

    A server on any free port would not find its file again, so it has no default store.

    Args:
        options: The options.
        endpoints: The endpoints that the server listens on; the first one gives the default file its name.
        default_port: The port that the options name.
    """
    if options.durability is Durability.NONE or options.store == NO_STORE:
        return None
    if options.store is not None:
        return open_store(options.store)
    if default_port == 0:
        return None
    first = endpoints[0]
    return SQLiteStore(DefaultPaths.of_process().store_file(first.path or first.port or default_port))
