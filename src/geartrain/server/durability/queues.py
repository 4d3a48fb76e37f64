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
        raise OptionError(f"the queue '{name}' is not available; the queues are {', '.join(QUEUES)}")
    if name not in QUEUES:
        raise OptionError(f"Error while initializing the queue : {text}; the queues are {', '.join(QUEUES)}")
    return name


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """gearmand's options for persistent queues; ``--store`` and ``--durability`` from the same source win over them."""

    queue_type: str | None = option(
        None,
        Kind("NAME", _queue, words=QUEUES),
        Group.QUEUE,
        "the store: builtin (memory only), libsqlite3, mysql, postgres, redis or libmemcached",
        short="q",
        alias_of="store",
        details="This is another way to set --store, for command lines of the C server; giving both is an error. The "
        "tables and keys are not those of the C server: if the server finds a queue of the C server there, it stops "
        "and shows the command that imports it.",
        example="libsqlite3",
    )
    libsqlite3_db: str | None = option(
        None,
        FILE,
        Group.QUEUE,
        "SQLite file of -q libsqlite3",
        details="Needed with -q libsqlite3.",
        example="/var/lib/geartrain/jobs.db",
    )
    libsqlite3_table: str = option(
        "gearman_queue",
        TEXT,
        Group.QUEUE,
        "table of a C server; if it has jobs, the server stops and says how to import them",
        details="Geartrain stores its own jobs in other tables.",
        example="gearman_queue",
    )
    store_queue_on_shutdown: bool = option(
        False,
        FLAG,
        Group.QUEUE,
        "the same as --durability shutdown",
        alias_of="durability",
        details="Giving both is an error.",
    )
    mysql_host: str = option(
        "localhost", TEXT, Group.QUEUE, "MySQL host", details="Used with -q mysql.", example="db.example.com"
    )
    mysql_port: int = option(
        3306, number(1, 65535), Group.QUEUE, "MySQL port", details="Used with -q mysql.", example="3307"
    )
    mysql_user: str = option(
        "",
        TEXT,
        Group.QUEUE,
        "MySQL user",
        details="Used with -q mysql; the default is the user of the process.",
        example="gearman",
    )
    mysql_password: str = option(
        "",
        TEXT,
        Group.QUEUE,
        "MySQL password",
        details="All users of the machine can read command lines; a file or a variable is a better place for a "
        "password.",
        example="secret",
    )
    mysql_db: str = option(
        "gearman", TEXT, Group.QUEUE, "MySQL database", details="Used with -q mysql.", example="gearman"
    )
    mysql_table: str = option(
        "gearman_queue",
        TEXT,
        Group.QUEUE,
        "table of a C server; if it has jobs, the server stops and says how to import them",
        details="Geartrain stores its own jobs in other tables.",
        example="gearman_queue",
    )
    libpq_conninfo: str = option(
        "",
        TEXT,
        Group.QUEUE,
        "PostgreSQL connection string",
        details="Used with -q postgres: key=value pairs of libpq, or a URL.",
        example="host=/run/postgresql dbname=jobs",
    )
    libpq_table: str = option(
        "queue",
        TEXT,
        Group.QUEUE,
        "table of a C server; if it has jobs, the server stops and says how to import them",
        details="Geartrain stores its own jobs in other tables.",
        example="queue",
    )
    libmemcached_servers: str | None = option(
        None,
        TEXT,
        Group.QUEUE,
        "memcached server, as host:port",
        details="Needed with -q libmemcached. If there are several servers, separated by commas, all jobs go to the "
        "first one, and a warning says so: libmemcached would spread them over all servers.",
        example="cache1:11211",
    )
    libmemcached_prefix: str = option(
        "gear_",
        TEXT,
        Group.QUEUE,
        "prefix of memcached keys",
        details="Two servers on one memcached need different prefixes.",
        example="gear_",
    )
    redis_server: str = option(
        "127.0.0.1", TEXT, Group.QUEUE, "Redis host", details="Used with -q redis.", example="redis.example.com"
    )
    redis_port: int = option(
        6379, number(1, 65535), Group.QUEUE, "Redis port", details="Used with -q redis.", example="6380"
    )
    redis_password: str = option(
        "",
        TEXT,
        Group.QUEUE,
        "Redis password",
        details="All users of the machine can read command lines; a file or a variable is a better place for a "
        "password.",
        example="secret",
    )
    redis_prefix: str = option(
        "_gear_",
        TEXT,
        Group.QUEUE,
        "prefix of Redis keys",
        details="Two servers on one Redis need different prefixes.",
        example="_gear_",
    )


def store_of(options: QueueOptions, warnings: list[str] | None = None) -> str | None:
    """Return the URL of the store that ``-q`` stands for, or None without it.

    Args:
        options: The options.
        warnings: Gets a line for each value that is used in part.

    Raises:
        OptionError: An option that this queue needs is missing.
    """
    if options.queue_type == "libmemcached" and warnings is not None:
        first, comma, others = (options.libmemcached_servers or "").partition(",")
        if comma:
            warnings.append(f"jobs are kept in the first of --libmemcached-servers, {first}, and not in {others}")
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
    first = (options.libmemcached_servers or "").partition(",")[0].strip()
    if not first:
        raise OptionError("-q libmemcached needs --libmemcached-servers HOST:PORT")
    return f"memcached://{first}?prefix={quote(options.libmemcached_prefix, safe='')}"


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
