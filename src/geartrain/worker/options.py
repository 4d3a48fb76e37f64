# SPDX-License-Identifier: MIT
"""How a worker is to behave, written down once for all its shells."""

import enum
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from geartrain.codecs import RAW, Codec, check_codec
from geartrain.names import Text, client_id_bytes, token_bytes
from geartrain.transport import CONNECT_TIMEOUT, KEEPALIVE, TLS, check_seconds

__all__ = ["GRACE", "Executor", "Options", "Reason", "WorkerOptions"]

GRACE = 30.0  # seconds; what Kubernetes allows before it kills


Executor: TypeAlias = Literal["thread", "process"]


class Reason(enum.Enum):
    """Why a worker left."""

    STOPPED = "stopped"
    MAX_JOBS = "max_jobs"
    MAX_AGE = "max_age"
    DRAINED = "drained"  # a burst found no more jobs
    IDLE = "idle"


class Options(TypedDict, total=False):
    """What `geartrain.Worker` and `geartrain.AsyncWorker` can be told; `WorkerOptions` says what each means."""

    concurrency: int
    codec: Codec[Any, Any]
    prefix: Text
    client_id: str
    token: str
    tls: ssl.SSLContext | TLS | None
    connect_timeout: float
    keepalive: float | None
    max_jobs: int | None
    max_age: float | None
    grace: float
    middleware: Sequence[Callable[..., object]]
    exceptions: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What workers can be told, checked.

    Attributes:
        concurrency: How many jobs run side by side.
        executor: Where a blocking worker does its jobs.
        codec: Makes bytes of results, and values of workloads.
        prefix: A name-space put before every function's name.
        client_id: What ``gearadmin --workers`` shows.
        token: A secret by which servers with rules of access know who may do what. What one of them does not allow is
            a line in the log.
        tls: Encrypts the connections.
        connect_timeout: Seconds for one attempt to reach a server.
        keepalive: Seconds after which a dead path is noticed; None leaves that to the system.
        max_jobs: Leave after so many jobs.
        max_age: Leave after so many seconds. What runs then is finished first, however long it takes.
        grace: Seconds that `stop` and the signals leave to jobs in hand.
        middleware: Functions ``(job, call)`` around every job, the first outermost; ``call(job)`` goes on inwards.
        exceptions: Tell clients of exceptions; False says WORK_FAIL only, which clients of libgearman 1.1 need that do
            not ask for exceptions and use gearmand 1.1: they would wait for ever.

    Raises:
        LocalProtocolError: The client's id or the token cannot travel.
        ValueError: A number is out of range, or the executor is none.
        TypeError: The codec is none.
    """

    concurrency: int
    executor: Executor = "thread"
    codec: Codec[Any, Any] = RAW
    prefix: Text = ""
    client_id: str = ""
    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | TLS | None = None
    connect_timeout: float = CONNECT_TIMEOUT
    keepalive: float | None = KEEPALIVE
    max_jobs: int | None = None
    max_age: float | None = None
    grace: float = GRACE
    middleware: Sequence[Callable[..., object]] = ()
    exceptions: bool = True

    def __post_init__(self) -> None:
        client_id_bytes(self.client_id)
        if self.token:
            token_bytes(self.token)
        check_codec(self.codec)
        if self.executor not in get_args(Executor):
            raise ValueError(f'executor is "thread" or "process", not {self.executor!r}')
        if self.concurrency < 1 or self.concurrency % 1:
            raise ValueError(f"concurrency is how many jobs run at once, at least 1, not {self.concurrency!r}")
        if self.max_jobs is not None and self.max_jobs < 1:
            raise ValueError(f"max_jobs is at least 1, or None for any number, not {self.max_jobs}")
        check_seconds(connect_timeout=self.connect_timeout, keepalive=self.keepalive)
        if self.max_age is not None:
            check_seconds(max_age=self.max_age)
        if not self.grace >= 0:
            raise ValueError(f"grace is a number of seconds, not {self.grace!r}")
