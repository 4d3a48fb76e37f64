# SPDX-License-Identifier: MIT
"""The options of workers, declared and checked once for the blocking and the asyncio worker."""

import enum
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from geartrain.codec import RAW, Codec, check_codec
from geartrain.names import Text, client_id_bytes, token_bytes
from geartrain.platforms import require
from geartrain.protocol.limits import MAX_PACKET
from geartrain.transport import CONNECT_TIMEOUT, KEEPALIVE, TLS, Backoff, check_seconds
from geartrain.worker.session import POLL_INTERVAL, REPLY_TIMEOUT

__all__ = ["GRACE", "ExecutorKind", "OnProcessDeath", "Options", "Reason", "WorkerOptions"]

# Seconds from the timeout of a job, after which the server takes it away and decides what becomes of it, to the end of
# its process or task. So the server's decision comes first, and what the worker says of the job is ignored.
SERVER_FIRST = 0.5
# Seconds for a task that was cancelled, or a thread that was interrupted, to end; after that its slot counts as lost.
CANCEL_TIMEOUT = 2.0

BACKOFF = Backoff()
GRACE = 30.0  # seconds; Kubernetes kills a process after this time
PACKET_OVERHEAD = 1024  # bytes of a packet that are reserved for the handle


ExecutorKind: TypeAlias = Literal["thread", "process"]
OnProcessDeath: TypeAlias = Literal["retry", "fail"]


class Reason(enum.Enum):
    """The reason why a worker stopped."""

    STOPPED = "stopped"
    MAX_JOBS = "max_jobs"
    MAX_AGE = "max_age"
    DRAINED = "drained"  # a burst found no more jobs
    IDLE = "idle"
    STUCK = "stuck"  # jobs that did not end within their timeout hold too many slots; `run` raises `WorkerStuck`


class Options(TypedDict, total=False):
    """The keyword options of `geartrain.Worker` and `geartrain.AsyncWorker`; `WorkerOptions` describes each."""

    concurrency: int
    codec: Codec[Any, Any]
    prefix: Text
    client_id: str
    token: str
    tls: ssl.SSLContext | TLS | None
    connect_timeout: float
    reply_timeout: float
    poll_interval: float
    backoff: Backoff
    keepalive: float | None
    max_packet: int
    max_jobs: int | None
    max_age: float | None
    grace: float
    middleware: Sequence[Callable[..., object]]
    exceptions: bool
    max_stuck: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The options of a worker, checked.

    Attributes:
        concurrency: The number of jobs that may run at once.
        executor: ``"thread"`` or ``"process"``: where a blocking worker runs its jobs.
        on_process_death: The fate of a job whose process dies. With ``"retry"`` the server counts a lost worker and
            gives the job to another one, up to its ``--job-retries``; with ``"fail"`` the job fails.
        codec: Encodes results and decodes workloads.
        prefix: A namespace that is put before every function's name.
        client_id: The id that ``gearadmin --workers`` shows.
        token: A secret by which servers with access rules identify the worker. Requests that a server denies are
            logged.
        tls: Encrypts the connections.
        connect_timeout: Seconds for one attempt to reach a server.
        reply_timeout: Seconds within which a server must answer a grab; after that the connection is closed.
        poll_interval: Seconds after which a sleeping worker asks for a job without being woken; gearmand loses some
            wake-ups.
        backoff: The waits between attempts to reach a server that is down.
        keepalive: Seconds after which a dead connection is detected; None leaves that to the system.
        max_packet: Bytes of the largest packet that the servers accept (gearmand's ``--max-packet-size``). A result
            that does not fit fails its job; a server would close the connection.
        max_jobs: The number of jobs after which the worker stops.
        max_age: The seconds after which the worker stops. It finishes running jobs first, however long they take.
        grace: Seconds for running jobs to end after `stop` or a signal.
        middleware: Functions ``(job, call)`` around every job, the first outermost; ``call(job)`` runs the next one.
        exceptions: Send exceptions to clients. False sends WORK_FAIL only; clients with libgearman 1.1 that do not ask
            for exceptions need it with gearmand 1.1, or they would wait for ever.
        max_stuck: The number of slots held by jobs that did not end within their timeout, at which the worker leaves
            with `WorkerStuck`, for its supervisor to start it again; None for all slots. A thread cannot be stopped.

    Raises:
        LocalProtocolError: The client's id or the token is not allowed by the protocol.
        ValueError: A number is out of range, or the executor or the fate of jobs is unknown.
        TypeError: The codec is not a codec.
        UnsupportedPlatform: This system cannot fork processes.
    """

    concurrency: int
    executor: ExecutorKind = "thread"
    on_process_death: OnProcessDeath = "retry"
    codec: Codec[Any, Any] = RAW
    prefix: Text = ""
    client_id: str = ""
    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | TLS | None = None
    connect_timeout: float = CONNECT_TIMEOUT
    reply_timeout: float = REPLY_TIMEOUT
    poll_interval: float = POLL_INTERVAL
    backoff: Backoff = BACKOFF
    keepalive: float | None = KEEPALIVE
    max_packet: int = MAX_PACKET
    max_jobs: int | None = None
    max_age: float | None = None
    grace: float = GRACE
    middleware: Sequence[Callable[..., object]] = ()
    exceptions: bool = True
    max_stuck: int | None = None

    def __post_init__(self) -> None:
        client_id_bytes(self.client_id)
        if self.token:
            token_bytes(self.token)
        check_codec(self.codec)
        if self.executor not in get_args(ExecutorKind):
            raise ValueError(f'executor is "thread" or "process", not {self.executor!r}')
        if self.executor == "process":
            require('executor="process"', ("os.fork", "signal.pthread_sigmask", "select.poll"), "use threads")
        if self.on_process_death not in get_args(OnProcessDeath):
            raise ValueError(f'on_process_death is "retry" or "fail", not {self.on_process_death!r}')
        if self.concurrency < 1 or self.concurrency % 1:
            raise ValueError(f"concurrency (jobs at a time) is a whole number of at least 1, not {self.concurrency!r}")
        if self.max_packet <= PACKET_OVERHEAD:
            raise ValueError(f"max_packet is more than {PACKET_OVERHEAD} bytes, not {self.max_packet!r}")
        if self.max_jobs is not None and self.max_jobs < 1:
            raise ValueError(f"max_jobs is at least 1, or None for any number, not {self.max_jobs}")
        if self.max_stuck is not None and self.max_stuck < 1:
            raise ValueError(f"max_stuck is at least 1, or None for all slots, not {self.max_stuck}")
        check_seconds(
            connect_timeout=self.connect_timeout,
            reply_timeout=self.reply_timeout,
            poll_interval=self.poll_interval,
            keepalive=self.keepalive,
        )
        if self.max_age is not None:
            check_seconds(max_age=self.max_age)
        if not self.grace >= 0:
            raise ValueError(f"grace is a number of seconds, not {self.grace!r}")

    @property
    def max_data(self) -> int:
        """Bytes of data in the largest packet about a job."""
        return self.max_packet - PACKET_OVERHEAD
