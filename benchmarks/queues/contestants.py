# SPDX-License-Identifier: MIT
"""Who takes part: systems, and the settings in which each is measured."""

from dataclasses import dataclass

from benchmarks.queues.brokers import (
    GEARMAND,
    GEARMAND_IN_MEMORY,
    GEARMAND_RELAXED,
    REDIS,
    REDIS_SYNCED,
    Broker,
)

__all__ = ["CONTESTANTS", "SYSTEMS", "Contestant", "System"]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A library.

    Attributes:
        title: Its name.
        packages: Those whose versions matter.
        requirements: What has to be installed to use it; nothing for ours, which is there already.
        batches: Whether it takes many jobs in one call.
        promise: What becomes of a job whose worker dies.
    """

    title: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    batches: bool = False
    promise: str


@dataclass(frozen=True, slots=True)
class Contestant:
    """A system in one of its settings.

    Attributes:
        system: The system's module, and its key in `SYSTEMS`.
        settings: The settings' name in that module.
        label: What a reader calls them.
        broker: Through what jobs go.
        meaning: What the settings are.
    """

    system: str
    settings: str
    label: str
    broker: Broker
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
_GOES_ON = "another worker gets it"

SYSTEMS = {
    "geartrain": System(
        title="Geartrain",
        packages=("geartrain", "uvloop"),
        batches=True,
        promise=_GOES_ON,
    ),
    "geartrain_asyncio": System(
        title="Geartrain",
        packages=("geartrain", "uvloop"),
        batches=True,
        promise=_GOES_ON,
    ),
    "celery": System(
        title="Celery",
        packages=("celery", "redis"),
        requirements=("celery[redis]", _HIREDIS),
        batches=True,
        promise="it is lost; with the safe settings another worker gets it",
    ),
    "rq": System(
        title="RQ",
        packages=("rq", "redis"),
        requirements=("rq", _HIREDIS),
        batches=True,
        promise="it is found later, and marked as failed",
    ),
    "dramatiq": System(
        title="Dramatiq",
        packages=("dramatiq", "redis"),
        requirements=("dramatiq[redis]", _HIREDIS),
        promise="another worker gets it, after a minute",
    ),
    "arq": System(
        title="arq",
        packages=("arq", "redis", "uvloop"),
        requirements=("arq", _HIREDIS, "uvloop"),
        promise="another worker gets it, when its time is over",
    ),
    "gear": System(
        title="gear",
        packages=("gear",),
        # It looks for pkg_resources, which newer Pythons come without.
        requirements=("gear", "setuptools<81"),
        promise=_GOES_ON,
    ),
    "gearman3": System(
        title="gearman3",
        packages=("gearman3",),
        requirements=("gearman3",),
        batches=True,
        promise=_GOES_ON,
    ),
}

# In the order of tables and pictures.
CONTESTANTS = (
    Contestant("geartrain", "default", "blocking", GEARMAND, "`Client` and `Worker`"),
    Contestant("geartrain", "fast", "blocking, fast", GEARMAND_RELAXED, "`Client` and `Worker(concurrency=8)`"),
    Contestant("geartrain_asyncio", "default", "asyncio", GEARMAND, "`AsyncClient` and `AsyncWorker`, on uvloop"),
    Contestant("geartrain_asyncio", "fast", "asyncio, fast", GEARMAND_RELAXED, "the same"),
    Contestant("geartrain_asyncio", "memory", "asyncio, in memory", GEARMAND_IN_MEMORY, "the same"),
    Contestant("celery", "default", "as it comes", REDIS, "prefork with one process, four jobs ahead"),
    Contestant(
        "celery", "fast", "fast", REDIS, "the same, 128 jobs ahead, without rate limits, gossip, mingle and heartbeat"
    ),
    Contestant("celery", "solo", "solo", REDIS, "as fast, but in the worker's own process: no pool, no time limits"),
    Contestant("celery", "safe", "safe", REDIS_SYNCED, "as it comes, but acknowledged late"),
    Contestant("rq", "default", "as it comes", REDIS, "`Worker`, which forks for each job"),
    Contestant(
        "rq", "fast", "fast", REDIS, "`SimpleWorker`, which does not fork; unread results are dropped, fewer logs"
    ),
    Contestant("dramatiq", "default", "as it comes", REDIS, "one process with 8 threads, 16 jobs ahead"),
    Contestant("dramatiq", "fast", "fast", REDIS, "the same, 512 jobs ahead"),
    Contestant("arq", "default", "as it comes", REDIS, "10 jobs at a time, asked for every 0.5 s"),
    Contestant(
        "arq",
        "fast",
        "fast",
        REDIS,
        "100 jobs at a time, asked for every 5 ms; unread results are dropped, uvloop, fewer logs",
    ),
    Contestant("gear", "default", "", GEARMAND_RELAXED, "`TextWorker`"),
    Contestant("gearman3", "default", "", GEARMAND_RELAXED, "`GearmanClient` and `GearmanWorker`"),
)
