# SPDX-License-Identifier: MIT
"""The plan of a simulation, drawn from its seed: options, habits of peers, and rates of faults."""

import random
from dataclasses import dataclass, replace

from geartrain.core import Durability, PriorityScope
from geartrain.server.core_options import core_options
from geartrain.server.options import ServerOptions
from tests.simulation.disk import DiskFaults
from tests.simulation.network import Conditions
from tests.simulation.peers import ClientHabits, WorkerHabits
from tests.simulation.rights import Rights, draw_rights
from tests.simulation.server import Settings

__all__ = ["FAULTS", "Plan", "draw"]

# The faults that strike at random times, each with the shortest and longest mean of the seconds between two.
FAULTS = {
    "connection cut": (2.0, 20.0),
    "connection stalled": (2.0, 20.0),
    "slow reader": (2.0, 20.0),
    "client left": (3.0, 30.0),
    "worker killed": (2.0, 20.0),
    "worker stopped": (2.0, 20.0),
    "worker retired": (5.0, 30.0),
    "server killed": (5.0, 40.0),
    "server stopped": (10.0, 60.0),
    "server drained": (10.0, 60.0),
    "server paused": (5.0, 40.0),
    "clock jump": (5.0, 40.0),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of one simulation.

    Attributes:
        settings: Options of the server, quality of the network, and faults of the store.
        clients: Number of clients.
        workers: Number of workers.
        client: Their habits.
        worker: Likewise.
        cancel_pause: Seconds between two cancels of an administrator, on average; 0 for none.
        faults: The mean of the seconds between two faults, by kind; a kind that is missing does not strike.
    """

    settings: Settings
    clients: int
    workers: int
    client: ClientHabits
    worker: WorkerHabits
    cancel_pause: float
    faults: dict[str, float]


def draw(chance: random.Random) -> Plan:
    """Draw a plan. Most plans leave some kinds of faults out: they could hide those of others."""
    largest = chance.choice((100, 3000, 60_000, 200_000))
    functions = (b"reverse", b"resize", b"mail")[: chance.randint(1, 3)]
    network = Conditions(
        delay=chance.choice((0.0005, 0.005, 0.1)),
        late=chance.choice((0.0, 0.0, 0.02, 0.2)),
        latest=chance.choice((0.5, 3.0)),
        split=chance.choice((0.0, 0.2, 0.9)),
    )
    disk = DiskFaults()
    if chance.random() < 0.6:
        disk = DiskFaults(
            fails=chance.choice((0.0, 0.05, 0.3)),
            doubtful=chance.choice((0.0, 0.05, 0.3)),
            slow=chance.choice((0.0, 0.05, 0.3)),
            fenced=chance.choice((0.0, 0.0, 0.003)),
            closed=chance.choice((0.0, 0.0, 0.1)),
        )
    options = ServerOptions(
        durability=chance.choice([Durability.COMMIT] * 6 + [Durability.RELAXED, Durability.SHUTDOWN, Durability.NONE]),
        job_handle_prefix="H:simulated",
        worker_wakeup=chance.choice((1, 1, 1, 0, 2)),
        rearm_after=chance.choice((1.0, 1.0, 0.3)),
        priority_scope=chance.choice(list(PriorityScope)),
        round_robin=chance.random() < 0.3,
        job_timeout=chance.choice((0.0, 0.0, 2.0)),
        # From as much as hardly any plan fills, to less than the largest packets.
        max_memory=chance.choice((0, 0, 300_000 if largest <= 3000 else 5_000_000, max(30_000, largest // 2))),
        max_jobs_per_connection=chance.choice((0, 0, 8)),
        probe_after=chance.choice((0.0, 0.0, 5.0)),
        max_unsent=chance.choice((512 << 10, 320 << 20)),
        backpressure_time=chance.choice((0.5, 5.0)),
        drain_timeout=chance.choice((0.0, 5.0)),
        store_within=chance.choice((0.1, 1.0)),
        store_close_timeout=chance.choice((5.0, 30.0)),
    )
    rights: Rights | None = None
    if chance.random() < 0.3:
        rights = draw_rights(functions, is_open=chance.random() < 0.5)
    core = replace(
        core_options(options, verbosity="ERROR", durability=options.durability),
        pid=1,
        access=rights.rules() if rights is not None else None,
    )
    client = ClientHabits(
        functions=functions,
        pause=chance.choice((0.1, 0.5, 2.0)),
        uniques=chance.choice((0, 2, 10)),
        largest=largest,
        burst=chance.choice((1, 3, 20)),
        background=chance.choice((0.2, 0.5, 0.8)),
        delayed=chance.choice((0.0, 0.2)),
        scheduled=chance.choice((0.0, 0.0, 0.02, 0.1)),
        reduced=chance.choice((0.0, 0.2)),
        unknown=chance.choice((0.0, 0.3, 0.6)),
        has_rules=rights is not None,
    )
    worker = WorkerHabits(
        functions=functions,
        slots=chance.choice((1, 1, 4)),
        long_polling=chance.choice((0.0, 0.5, 1.0)),
        slow=chance.choice((0.0, 0.1, 0.3)),
        slowest=chance.choice((0.5, 4.0)),
        timeout=chance.choice((0, 0, 1000, 3000)),
        fails=chance.choice((0.0, 0.1)),
        unknown=chance.choice((0.0, 0.3, 0.6)),
        has_rules=rights is not None,
    )
    faults = {name: chance.uniform(*means) for name, means in FAULTS.items() if chance.random() < 0.5}
    settings = Settings(
        core=core,
        server=options,
        max_unread=chance.choice((20_000, 200_000)),
        network=network,
        disk=disk,
        rights=rights,
    )
    return Plan(
        settings=settings,
        clients=chance.randint(1, 4),
        workers=chance.randint(1, 5),
        client=client,
        worker=worker,
        cancel_pause=chance.choice((0.0, 0.3, 2.0)),
        faults=faults,
    )
