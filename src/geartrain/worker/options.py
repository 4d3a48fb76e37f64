# SPDX-License-Identifier: MIT
"""How a worker is to behave, written down once for all its shells."""

import enum
import ssl
from dataclasses import dataclass

from geartrain.transport import TLS
from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE

__all__ = ["GRACE", "Reason", "WorkerOptions"]

GRACE = 30.0  # seconds; what Kubernetes allows before it kills


class Reason(enum.Enum):
    """Why a worker left."""

    STOPPED = "stopped"
    MAX_JOBS = "max_jobs"
    DRAINED = "drained"  # a burst found no more jobs
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options of `geartrain.Worker`, which says what each means.

    Raises:
        ValueError: A number is out of range.
    """

    concurrency: int = 1
    client_id: str = ""
    tls: ssl.SSLContext | TLS | None = None
    connect_timeout: float = CONNECT_TIMEOUT
    keepalive: float | None = KEEPALIVE
    max_jobs: int | None = None
    grace: float = GRACE
    exceptions: bool = True

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError(f"concurrency is how many jobs run at once, at least 1, not {self.concurrency}")
        if self.max_jobs is not None and self.max_jobs < 1:
            raise ValueError(f"max_jobs is at least 1, or None for any number, not {self.max_jobs}")
        if self.grace < 0 or self.connect_timeout <= 0:
            raise ValueError(f"grace {self.grace} and connect_timeout {self.connect_timeout} are seconds")
