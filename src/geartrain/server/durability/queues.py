# SPDX-License-Identifier: MIT
"""gearmand's options for its persistent queues (protocol 3.5), and the URLs of the stores that they stand for.

The tables and keys are not those of gearmand: ``gearmand store import`` copies the jobs that a C server left behind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from geartrain.server.config.kinds import FILE, FLAG, TEXT, Kind, OptionError, number
from geartrain.server.config.option import Group, option
from geartrain.server.durability.store import NO_STORE

__all__ = ["QUEUES", "QueueOptions", "store_of"]

# The modules that gearmand can be built with: those that exist here as well, and those of databases that are gone.
QUEUES = ("builtin", "libmemcached", "libsqlite3", "mysql", "postgres", "redis")
_GONE = ("libdrizzle", "libtokyocabinet")


def _queue(text: str) -> str:
    name = text.lower()
    if name in _GONE:
        raise OptionError(f"the queue '{name}' is not available; there are {', '.join(QUEUES)}")
    if name not in QUEUES:
        raise OptionError(f"Error while initializing the queue : {text}")
    return name


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """gearmand's options for persistent queues; ``--store`` and ``--durability`` from the same source win over them."""

    queue_type: str | None = option(
        None,
        Kind("NAME", _queue),
        Group.QUEUE,
        "builtin (memory only), libsqlite3, mysql, postgres, redis or libmemcached",
        short="q",
        alias_of="store",
    )
    libsqlite3_db: str | None = option(None, FILE, Group.QUEUE, "file of libsqlite3")
    libsqlite3_table: str = option("gearman_queue", TEXT, Group.QUEUE, "no effect but for an import")
    store_queue_on_shutdown: bool = option(
        False, FLAG, Group.QUEUE, "the same as --durability shutdown", alias_of="durability"
    )
    mysql_host: str = option("localhost", TEXT, Group.QUEUE, "host of mysql")
    mysql_port: int = option(3306, number(1, 65535), Group.QUEUE, "port of mysql")
    mysql_user: str = option("", TEXT, Group.QUEUE, "user of mysql")
    mysql_password: str = option("", TEXT, Group.QUEUE, "password of mysql")
    mysql_db: str = option("gearman", TEXT, Group.QUEUE, "database of mysql")
    mysql_table: str = option("gearman_queue", TEXT, Group.QUEUE, "no effect but for an import")
    libpq_conninfo: str = option("", TEXT, Group.QUEUE, "connection string of postgres")
    libpq_table: str = option("queue", TEXT, Group.QUEUE, "no effect but for an import")
    libmemcached_servers: str | None = option(None, TEXT, Group.QUEUE, "server of libmemcached, host:port")
    libmemcached_prefix: str = option("gear_", TEXT, Group.QUEUE, "prefix of the keys of libmemcached")
    redis_server: str = option("127.0.0.1", TEXT, Group.QUEUE, "host of redis")
    redis_port: int = option(6379, number(1, 65535), Group.QUEUE, "port of redis")
    redis_password: str = option("", TEXT, Group.QUEUE, "password of redis")
    redis_prefix: str = option("_gear_", TEXT, Group.QUEUE, "prefix of the keys of redis")


def store_of(options: QueueOptions) -> str | None:
    """Return the URL of the store that ``-q`` stands for, or None without it.

    Raises:
        OptionError: An option that this queue needs is missing.
    """
    return _STORES[options.queue_type](options) if options.queue_type is not None else None


def _sqlite(options: QueueOptions) -> str:
    if options.libsqlite3_db is None:
        raise OptionError("-q libsqlite3 needs --libsqlite3-db FILE")
    return f"sqlite:{quote(options.libsqlite3_db)}"


def _mysql(options: QueueOptions) -> str:
    user = quote(options.mysql_user, safe="")
    password = quote(options.mysql_password, safe="")
    account = f"{user}:{password}@" if user else ""
    return f"mysql://{account}{options.mysql_host}:{options.mysql_port}/{quote(options.mysql_db, safe='')}"


def _postgres(options: QueueOptions) -> str:
    conninfo = options.libpq_conninfo
    return conninfo if conninfo.startswith(("postgresql://", "postgres://")) else f"postgresql:{quote(conninfo)}"


def _memcached(options: QueueOptions) -> str:
    servers = options.libmemcached_servers
    if not servers or "," in servers:
        raise OptionError("-q libmemcached needs --libmemcached-servers with one host:port")
    return f"memcached://{servers}?prefix={quote(options.libmemcached_prefix, safe='')}"


def _redis(options: QueueOptions) -> str:
    account = f":{quote(options.redis_password, safe='')}@" if options.redis_password else ""
    prefix = quote(options.redis_prefix, safe="")
    return f"redis://{account}{options.redis_server}:{options.redis_port}?prefix={prefix}"


_STORES: dict[str, Callable[[QueueOptions], str]] = {
    "builtin": lambda _: NO_STORE,
    "libsqlite3": _sqlite,
    "mysql": _mysql,
    "postgres": _postgres,
    "libmemcached": _memcached,
    "redis": _redis,
}
