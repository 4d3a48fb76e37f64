# SPDX-License-Identifier: MIT
"""Who takes part: systems, and the settings in which each is measured."""

import enum
from dataclasses import dataclass

__all__ = ["CONTESTANTS", "SYSTEMS", "Broker", "Contestant", "System"]


class Broker(enum.Enum):
    """What stands between clients and workers."""

    REDIS = "Redis"
    GEARMAND = "our gearmand"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A library.

    Attributes:
        title: Its name.
        packages: Those whose versions matter.
        requirements: What has to be installed to use it; nothing for ours, which is there already.
        broker: What it needs.
        batches: Whether it takes many jobs in one call.
        promise: What it does not lose, and what may be lost.
    """

    title: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    broker: Broker
    batches: bool = False
    promise: str


@dataclass(frozen=True, slots=True)
class Contestant:
    """A system in one of its settings.

    Attributes:
        system: The system's module, and its key in `SYSTEMS`.
        settings: The settings' name in that module.
        label: What a reader calls them.
        meaning: What they are.
    """

    system: str
    settings: str
    label: str
    meaning: str

    @property
    def name(self) -> str:
        """What the command line and the figures call it."""
        return f"{self.system}-{self.settings}"

    @property
    def title(self) -> str:
        """What tables and pictures call it."""
        return f"{SYSTEMS[self.system].title}, {self.label}" if self.label else SYSTEMS[self.system].title


# redis-py reads answers with hiredis where that is there, as its documentation recommends.
_HIREDIS = "redis[hiredis]"
_IN_MEMORY = "queued jobs live as long as the server; a job whose worker dies is given to another one"

SYSTEMS = {
    "geartrain": System(
        title="Geartrain",
        packages=("geartrain", "uvloop"),
        broker=Broker.GEARMAND,
        batches=True,
        promise=_IN_MEMORY,
    ),
    "geartrain_asyncio": System(
        title="Geartrain",
        packages=("geartrain", "uvloop"),
        broker=Broker.GEARMAND,
        batches=True,
        promise=_IN_MEMORY,
    ),
    "celery": System(
        title="Celery",
        packages=("celery", "redis"),
        requirements=("celery[redis]", _HIREDIS),
        broker=Broker.REDIS,
        batches=True,
        promise="queued jobs survive Redis up to its last snapshot; a job whose worker dies is lost, "
        "unless acknowledged late",
    ),
    "rq": System(
        title="RQ",
        packages=("rq", "redis"),
        requirements=("rq", _HIREDIS),
        broker=Broker.REDIS,
        batches=True,
        promise="queued jobs survive Redis up to its last snapshot; a job whose worker dies is marked as failed",
    ),
    "dramatiq": System(
        title="Dramatiq",
        packages=("dramatiq", "redis"),
        requirements=("dramatiq[redis]", _HIREDIS),
        broker=Broker.REDIS,
        promise="queued jobs survive Redis up to its last snapshot; a job whose worker dies is given to another one",
    ),
    "arq": System(
        title="arq",
        packages=("arq", "redis", "uvloop"),
        requirements=("arq", _HIREDIS, "uvloop"),
        broker=Broker.REDIS,
        promise="queued jobs survive Redis up to its last snapshot; a job whose worker dies is given to another one",
    ),
    "gear": System(
        title="gear",
        packages=("gear",),
        # It looks for pkg_resources, which newer Pythons come without.
        requirements=("gear", "setuptools<81"),
        broker=Broker.GEARMAND,
        promise=_IN_MEMORY,
    ),
    "gearman3": System(
        title="gearman3",
        packages=("gearman3",),
        requirements=("gearman3",),
        broker=Broker.GEARMAND,
        batches=True,
        promise=_IN_MEMORY,
    ),
}

# In the order of tables and pictures.
CONTESTANTS = (
    Contestant("geartrain", "default", "blocking", "`Client` and `Worker`, as they come"),
    Contestant("geartrain", "threads", "8 threads", "`Worker(concurrency=8)`"),
    Contestant("geartrain_asyncio", "default", "asyncio", "`AsyncClient` and `AsyncWorker`, as they come, on uvloop"),
    Contestant("celery", "default", "as it comes", "prefork with one process, four jobs ahead"),
    Contestant(
        "celery", "fast", "fast", "prefork with one process, 128 jobs ahead, no rate limits, gossip or heartbeat"
    ),
    Contestant("celery", "safe", "safe", "as it comes, with late acknowledgement"),
    Contestant("celery", "solo", "solo", "fast, but in the worker's own process: no pool, no time limits"),
    Contestant("rq", "default", "as it comes", "`Worker`, which forks for each job"),
    Contestant("rq", "fast", "fast", "`SimpleWorker`, which does not fork; unread results are dropped, fewer logs"),
    Contestant("dramatiq", "default", "as it comes", "one process with 8 threads"),
    Contestant("dramatiq", "fast", "fast", "one process with one thread"),
    Contestant("arq", "default", "as it comes", "10 jobs at a time, asked for every 0.5 s"),
    Contestant(
        "arq",
        "fast",
        "fast",
        "100 jobs at a time, asked for every 5 ms; unread results are dropped, uvloop, fewer logs",
    ),
    Contestant("gear", "default", "", "`TextWorker`"),
    Contestant("gearman3", "default", "", "`GearmanClient` and `GearmanWorker`"),
)
