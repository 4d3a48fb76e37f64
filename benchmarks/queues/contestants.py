# SPDX-License-Identifier: MIT
"""The contestants: systems, and the settings in which each is measured."""

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
        packages: The packages whose versions are printed.
        requirements: The packages to install; none for Geartrain, which is installed already.
        batches: True if one call can submit many jobs.
        promise: The fate of a job whose worker dies.
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
        settings: The name of the settings in that module.
        label: The name of the settings for readers.
        broker: The broker.
        meaning: A description of the settings.
    """

    system: str
    settings: str
    label: str
    broker: Broker
    meaning: str

    @property
    def name(self) -> str:
        """Return the name for the command line and the figures."""
        return f"{self.system}-{self.settings}"

    @property
    def title(self) -> str:
        """Return the name for tables and pictures."""
        return f"{SYSTEMS[self.system].title}, {self.label}" if self.label else SYSTEMS[self.system].title


# redis-py uses hiredis if it is installed, as its documentation recommends.
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
        promise="it is marked as failed later",
    ),
    "dramatiq": System(
        title="Dramatiq",
        packages=("dramatiq", "redis"),
        requirements=("dramatiq[redis]", _HIREDIS),
        promise="another worker gets it after a minute",
    ),
    "arq": System(
        title="arq",
        packages=("arq", "redis", "uvloop"),
        requirements=("arq", _HIREDIS, "uvloop"),
        promise="another worker gets it after its timeout",
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
    Contestant("celery", "default", "default", REDIS, "prefork with one process, prefetches four jobs"),
    Contestant(
        "celery",
        "fast",
        "fast",
        REDIS,
        "the same, prefetches 128 jobs, without rate limits, gossip, mingle and heartbeat",
    ),
    Contestant(
        "celery", "solo", "solo", REDIS, "as fast, but the worker runs jobs in its own process: no pool, no time limits"
    ),
    Contestant("celery", "safe", "safe", REDIS_SYNCED, "default, but acknowledged late"),
    Contestant("rq", "default", "default", REDIS, "`Worker`, which forks for each job"),
    Contestant("rq", "fast", "fast", REDIS, "`SimpleWorker`, which does not fork; drops unread results, fewer logs"),
    Contestant("dramatiq", "default", "default", REDIS, "one process with 8 threads, prefetches 16 jobs"),
    Contestant("dramatiq", "fast", "fast", REDIS, "the same, prefetches 512 jobs"),
    Contestant("arq", "default", "default", REDIS, "10 jobs at a time, polls every 0.5 s"),
    Contestant(
        "arq",
        "fast",
        "fast",
        REDIS,
        "100 jobs at a time, polls every 5 ms; drops unread results, uvloop, fewer logs",
    ),
    Contestant("gear", "default", "", GEARMAND_RELAXED, "`TextWorker`"),
    Contestant("gearman3", "default", "", GEARMAND_RELAXED, "`GearmanClient` and `GearmanWorker`"),
)
