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
        "store of background jobs: sqlite:///FILE, postgresql://, mysql://, redis:// or memcached:// with "
        "USER:PASSWORD@HOST:PORT/DATABASE, or none",
        details="Foreground jobs are not stored. The default file is in /var/lib/geartrain for root, otherwise in "
        "~/.local/state/geartrain, and in the folder of systemd's StateDirectory if there is one. A store belongs to "
        "one server at a time.",
        example="postgresql://gear:secret@db/jobs",
        default_text="a SQLite file in the state folder, by port; none with port 0",
    )
    durability: Durability = option(
        Durability.COMMIT,
        choice(Durability, "WHEN"),
        Group.STORE,
        "when background jobs are stored: before their client is answered (commit), soon after (relaxed), when the "
        "server is stopped (shutdown), or never (none)",
        details="With commit a client that has its answer cannot lose the job, even if the machine loses its power. "
        "Jobs that arrive together are stored together, so this is fast. relaxed loses the last second at most, "
        "shutdown everything if the server is killed.",
        example="relaxed",
    )
    store_within: float = option(
        1.0,
        SECONDS,
        Group.STORE,
        "with relaxed durability, seconds until a job is stored",
        details="A longer time makes larger batches, and more jobs that a crash can lose.",
        example="0.2",
    )
    # Longer than the time of peers, which can connect to another server: after half a minute, a database counts as
    # down.
    store_close_timeout: float = option(
        30.0,
        SECONDS,
        Group.STORE,
        "seconds that the store has for the last changes when the server stops; with shutdown durability, any time",
        details="A store that does not answer would otherwise keep the server from stopping. Jobs that could not be "
        "stored were never acknowledged.",
        example="60",
    )
    force_timeout: float = option(
        1.0,
        SECONDS,
        Group.STORE,
        "the same once the server is told a second time to stop",
        details="A second SIGTERM or SIGINT means that the server must stop.",
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
        raise StoreError(f"{existing}: this is no regular file")
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
