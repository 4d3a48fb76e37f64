# SPDX-License-Identifier: MIT
"""The kinds of conversations that are recorded, and the frequency of each input in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["PLANS", "Plan"]

_PEERS = {"client": 3, "worker": 3}
_WITH_ADMIN = {"client": 2, "worker": 3, "admin": 1}
_USUAL = {
    "submit": 8,
    "work": 24,
    "question": 3,
    "register": 1,
    "disconnect": 0.7,
    "connect": 1,
    "advance": 1.5,
    "text": 1,
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A kind of conversation.

    Attributes:
        name: The beginning of the names of its transcripts.
        count: Number of recordings.
        options: The options of the server, of which each conversation takes one choice.
        roles: Number of peers of each kind.
        weights: The frequency of each kind of input, relative to the others.
        functions: Number of functions.
        submissions: The kinds of plain submissions that occur.
        times: The seconds that may pass at a time.
        timeouts: The share of registrations with a timeout.
        long_polling: The share of workers that use long polling.
        silent: The share of jobs pushed to such a worker that it does not acknowledge at once.
        pipelines: True if several packets may arrive at once from a peer.
        together: The maximum number of inputs in a turn.
        stores: True if there is a store.
        restores: True if the server begins with jobs from its store.
        is_greedy: True if workers grab further jobs while they run some.
        drains: True if the server is shut down at the end.
    """

    name: str
    count: int = 4
    options: Sequence[str] = ("",)
    roles: Mapping[str, int] = field(default_factory=lambda: _PEERS)
    weights: Mapping[str, float] = field(default_factory=lambda: _USUAL)
    functions: int = 4
    submissions: Sequence[str] = ("foreground", "foreground", "background")
    times: Sequence[float] = (0.25, 0.5, 1.0, 1.5, 3.0)
    timeouts: float = 0.1
    long_polling: float = 0.0
    silent: float = 0.2
    pipelines: bool = True
    together: Sequence[int] = (1, 1, 1, 2, 3)
    stores: bool = False
    restores: bool = False
    is_greedy: bool = False
    drains: bool = False


_DURABLE = {**_USUAL, "store": 6, "text": 1.5, "change": 0.7}

PLANS = [
    Plan(name="foreground", count=5, submissions=("foreground",), options=("", "", "exceptions=yes")),
    Plan(name="background", submissions=("background",), roles=_WITH_ADMIN, weights={**_USUAL, "change": 1}),
    Plan(name="function-scope", options=("priority_scope=function", "priority_scope=function round_robin=yes")),
    Plan(
        name="timeouts",
        options=("", "job_retries=2", "job_timeout=2", "job_retries=0"),
        timeouts=0.7,
        weights={**_USUAL, "advance": 5, "disconnect": 2},
    ),
    Plan(
        name="lost-workers",
        is_greedy=True,
        functions=1,
        weights={**_USUAL, "submit": 14, "question": 10, "disconnect": 3, "connect": 4},
        options=("", "job_retries=3"),
        submissions=("foreground", "background"),
    ),
    Plan(name="epochs", count=3, weights={**_USUAL, "epoch": 6, "advance": 5, "set_clock": 0.5}, roles=_WITH_ADMIN),
    Plan(
        name="schedules",
        roles=_WITH_ADMIN,
        weights={**_USUAL, "schedule": 4, "advance": 6, "set_clock": 0.5, "change": 2, "text": 2},
        times=(20, 60, 60, 300, 3600),
    ),
    Plan(name="reduce", count=3, submissions=("reduce", "reduce", "foreground")),
    Plan(
        name="wakeups",
        count=8,
        roles={"client": 2, "worker": 6},
        functions=2,
        options=("", "", "worker_wakeup=0", "worker_wakeup=2", "rearm_after=0.5", "probe_after=3"),
        weights={**_USUAL, "submit": 6, "work": 30, "advance": 4, "register": 2},
    ),
    Plan(
        name="long-polling",
        count=6,
        roles={"client": 2, "worker": 5},
        functions=3,
        long_polling=0.7,
        pipelines=False,
        together=(1,),
        options=("", "", "worker_wakeup=2"),
        weights={**_USUAL, "submit": 5, "advance": 8},
    ),
    Plan(
        name="silent-workers",
        count=4,
        roles={"client": 2, "worker": 7},
        functions=1,
        long_polling=0.5,
        silent=0.8,
        times=(0.25, 1.0, 1.5),
        pipelines=False,
        together=(1,),
        weights={**_USUAL, "submit": 5, "advance": 12, "disconnect": 0.1},
        options=("", "rearm_after=0.5"),
    ),
    Plan(
        name="text-commands",
        roles={"client": 2, "worker": 2, "admin": 2},
        weights={**_USUAL, "text": 12, "change": 8, "advance": 3},
        options=("allow_shutdown=yes", "stall_after=2", "function_expiry=2", ""),
        times=(1.0, 3.0, 10.0),
    ),
    Plan(
        name="limits",
        count=3,
        roles=_WITH_ADMIN,
        weights={**_USUAL, "submit": 14, "change": 3, "reload": 1},
        options=("max_jobs_per_connection=3", "max_functions=2", "max_functions=3 max_jobs_per_connection=2"),
    ),
    Plan(name="malformed", count=3, roles=_WITH_ADMIN, weights={**_USUAL, "bad": 1.5, "odd": 5, "pieces": 5}),
    Plan(
        name="access",
        count=3,
        roles=_WITH_ADMIN,
        weights={**_USUAL, "text": 3, "change": 5, "reload": 1},
        options=("access=example", "access=example", "access=none"),
    ),
    Plan(
        name="durable",
        count=7,
        stores=True,
        submissions=("background", "background", "foreground"),
        roles=_WITH_ADMIN,
        options=("durability=commit", "durability=commit", "durability=commit job_retries=2"),
        weights={**_DURABLE, "fail": 2.5, "submit": 16, "epoch": 1, "schedule": 0.7},
    ),
    Plan(
        name="relaxed",
        count=2,
        stores=True,
        submissions=("background",),
        options=("durability=relaxed",),
        weights={**_DURABLE, "fail": 2},
    ),
    Plan(name="restoring", count=3, stores=True, restores=True, options=("durability=commit",), weights=_DURABLE),
    Plan(name="draining", count=2, drains=True, weights={**_USUAL, "work": 12}),
    Plan(
        name="reorderable-both-roles",
        count=4,
        roles={"both": 5},
        long_polling=0.3,
        weights={**_USUAL, "advance": 3},
        options=("", "durability=commit"),
    ),
    Plan(
        name="reorderable-long-polling",
        count=3,
        roles={"client": 3, "worker": 5},
        long_polling=0.8,
        weights={**_USUAL, "submit": 12},
    ),
]
