# SPDX-License-Identifier: MIT
"""gearmand's own options for what it calls persistent queues (protocol 3.5), and the stores that they mean here.

Our tables and keys are not gearmand's: jobs that a C server left behind are brought over once, by ``gearmand store
import``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from geartrain.server.config import values
from geartrain.server.config.option import option
from geartrain.server.config.values import FILE, FLAG, NO_STORE, TEXT, OptionError, number

__all__ = ["QUEUE_GROUP", "QueueOptions", "store_of"]

QUEUE_GROUP = "Store, as gearmand names it"


@dataclass(frozen=True, kw_only=True)  # two bases with slots cannot be joined
class QueueOptions:
    """gearmand's options for persistent queues; ``--store`` and ``--durability`` win over them."""

    queue_type: str | None = option(
        None,
        values.QUEUE,
        QUEUE_GROUP,
        "builtin (memory only), libsqlite3, mysql, postgres, redis or libmemcached",
        short="q",
    )
    libsqlite3_db: str | None = option(None, FILE, QUEUE_GROUP, "file of libsqlite3")
    libsqlite3_table: str = option("gearman_queue", TEXT, QUEUE_GROUP, "no effect but for an import")
    store_queue_on_shutdown: bool = option(False, FLAG, QUEUE_GROUP, "the same as --durability shutdown")
    mysql_host: str = option("localhost", TEXT, QUEUE_GROUP, "machine of mysql")
    mysql_port: int = option(3306, number(1, 65535), QUEUE_GROUP, "port of mysql")
    mysql_user: str = option("", TEXT, QUEUE_GROUP, "user of mysql")
    mysql_password: str = option("", TEXT, QUEUE_GROUP, "password of mysql")
    mysql_db: str = option("gearman", TEXT, QUEUE_GROUP, "database of mysql")
    mysql_table: str = option("gearman_queue", TEXT, QUEUE_GROUP, "no effect but for an import")
    libpq_conninfo: str = option("", TEXT, QUEUE_GROUP, "connection string of postgres")
    libpq_table: str = option("queue", TEXT, QUEUE_GROUP, "no effect but for an import")
    libmemcached_servers: str | None = option(None, TEXT, QUEUE_GROUP, "server of libmemcached, host:port")
    libmemcached_prefix: str = option("gear_", TEXT, QUEUE_GROUP, "what the keys of libmemcached begin with")
    redis_server: str = option("127.0.0.1", TEXT, QUEUE_GROUP, "machine of redis")
    redis_port: int = option(6379, number(1, 65535), QUEUE_GROUP, "port of redis")
    redis_password: str = option("", TEXT, QUEUE_GROUP, "password of redis")
    redis_prefix: str = option("_gear_", TEXT, QUEUE_GROUP, "what the keys of redis begin with")


def store_of(options: QueueOptions) -> str | None:
    """Return the URL of the store that ``-q`` asks for, or None without it.

    Raises:
        OptionError: What it needs is missing.
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
