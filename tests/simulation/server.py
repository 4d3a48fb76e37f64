# SPDX-License-Identifier: MIT
"""The machine of the server: its disk, and one process after the other.

A process runs the parts of a real server, without its sockets: core, connections, flusher, committer, store service and
shutdown sequence are those of `geartrain.server`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from geartrain.core import Durability, JobServer, JobServerOptions, Shutdown
from geartrain.reactor.connection import Connection, ConnectionSettings, RemoteEnd
from geartrain.reactor.flusher import Flusher
from geartrain.server.connections import Connections
from geartrain.server.durability.store_service import StoreService
from geartrain.server.options import ServerOptions
from geartrain.server.shutdown import ShutdownSequence
from geartrain.storage import StoreError
from tests.simulation.disk import Disk, DiskFaults, SimulatedStore, table_of
from tests.simulation.invariants import Invariants
from tests.simulation.network import Caller, Conditions, Link
from tests.simulation.process import Process
from tests.simulation.rights import Rights
from tests.simulation.timeline import Chances, Clock, Timeline, Trace

__all__ = ["Life", "Machine", "Settings"]

_TURN_TIME = 0.0005  # seconds


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of a server and of its surroundings.

    Attributes:
        core: The options of the core.
        server: The options of everything else.
        max_unread: Bytes that may wait for a peer before the server stops reading from it.
        network: The quality of the network.
        disk: The faults of the store.
        rights: The rights of peers, which the rules in `core` give; None for no rules.
    """

    core: JobServerOptions
    server: ServerOptions
    max_unread: int
    network: Conditions
    disk: DiskFaults
    rights: Rights | None


class Life:
    """One run of the server, from its start to its end."""

    def __init__(self, machine: "Machine", process: Process) -> None:
        self._machine = machine
        self._process = process
        self.store = machine.new_store()
        self.job_server: JobServer | None = None
        self.is_listening = False
        self.is_over = False
        self._flusher: Flusher
        self._shutdown: ShutdownSequence
        self._connections: Connections
        self._service: StoreService

    async def run(self) -> None:
        """Start, serve and stop, in the order of `geartrain.server.Server`."""
        machine, settings = self._machine, self._machine.settings
        options = settings.server
        job_server = machine.make_job_server(settings.core, machine.clock)
        self.job_server = job_server
        self._flusher = Flusher(
            job_server, self._process, options.max_unsent, self._after_turn, options.backpressure_time
        )
        self._shutdown = ShutdownSequence(job_server, self._flusher, self._drain, options)
        self._connections = Connections(job_server, self._flusher, self._shutdown, options)
        self._service = StoreService(self.store, job_server, self._flusher, self._connections, self._shutdown, options)
        machine.invariants.begin(job_server, lambda: self.store.table)
        has_store = machine.has_store
        try:
            if has_store:
                await self._service.start()
                machine.invariants.restored()
        except StoreError:
            await self._service.stop()
            machine.ended(self, in_order=True)
            return
        self.is_listening = True
        await self._shutdown.is_due.wait()
        self.is_listening = False
        if has_store:
            await self._service.stop()
        await self._connections.stop()
        machine.ended(self, in_order=not self._service.is_stuck and not job_server.commit_queue.pending)
        job_server.close()

    def accept(self, link: Link) -> None:
        """Serve a new connection."""
        if not self.is_listening or link.server.is_lost:
            link.reset_peer()
            return
        settings = self._machine.settings
        remote = RemoteEnd(f"10.0.0.1:{link.number}", "10.0.0.1", link.number, False)
        connection = Connection(
            self._flusher,
            remote,
            ConnectionSettings(max_unread=settings.max_unread, linger=settings.server.linger_timeout),
            lambda transport: (),
            lambda transport: None,
            _nothing,
        )
        watched = self._machine.invariants.connect(link)
        link.server.begin(connection, watched)

    @property
    def is_in_turn(self) -> bool:
        """True if packets were handled whose replies leave at the end of the turn, or nothing runs yet."""
        return self.job_server is None or self._flusher.is_scheduled

    def request_stop(self, *, drain: bool) -> None:
        """Ask the server to stop, as by a signal."""
        if self.is_listening:
            self._process.call_soon(self._shutdown.request, Shutdown.DRAIN if drain else Shutdown.NOW)

    def _after_turn(self) -> None:
        if self._machine.has_store:
            self._service.look()
        self._shutdown.look()

    def _drain(self, deadline: float) -> None:
        self._connections.drain(deadline)


class Machine:
    """A machine with a disk, on which the server is started again after each end.

    Args:
        timeline: Simulated time.
        chances: Streams of chance.
        trace: Gets all that happens.
        settings: The options.
        counts: Gets the faults.
        make_job_server: Makes the core; tests plant faults here.
    """

    def __init__(
        self,
        timeline: Timeline,
        chances: Chances,
        trace: Trace,
        settings: Settings,
        counts: dict[str, int],
        make_job_server: Callable[[JobServerOptions, Clock], JobServer] = JobServer,
    ) -> None:
        self._timeline = timeline
        self._chances = chances
        self._chance = chances.of("machine")
        self._trace = trace
        self._counts = counts
        self.settings = settings
        self.make_job_server = make_job_server
        self.clock = Clock(timeline)
        self.disk = Disk()
        self.faults = settings.disk
        self.network = settings.network
        self.invariants = Invariants(
            timeline,
            self.clock,
            trace,
            settings.core,
            max(settings.server.max_unsent, settings.max_unread),
            settings.rights,
        )
        self.lives = 0
        self.links: list[Link] = []
        self._links_made = 0
        self.life: Life | None = None
        self._process: Process | None = None
        self.is_wanted = True

    @property
    def has_store(self) -> bool:
        """True if background jobs are stored."""
        return self.settings.core.durability is not Durability.NONE

    def new_store(self) -> SimulatedStore:
        """Return a store on the disk for a new life."""
        chance = self._chances.of(f"store {self.lives}")
        return SimulatedStore(self.disk, self.faults, chance, self._trace, self._counts)

    def start(self) -> None:
        """Start the server."""
        self.lives += 1
        self._trace.note("start", self.lives)
        # The base class declares all methods abstract, also those that the server does not call.
        self._process = Process(self._timeline, _TURN_TIME, self.look)  # type: ignore[abstract]
        self.life = Life(self, self._process)
        self._process.create_task(self.life.run())

    def look(self) -> None:
        """Check the invariants, unless the server is in the middle of a turn, or paused."""
        life, process = self.life, self._process
        if life is not None and life.store.is_fenced:
            self.invariants.fenced()
        if life is not None and process is not None and not life.is_in_turn and not process.is_paused:
            self.invariants.check()

    def ended(self, life: Life, *, in_order: bool) -> None:
        """Check the store at the end of a life, and start the server again."""
        self._trace.note("end", "in order" if in_order else "killed")
        life.is_over = True
        self.life = None
        self.invariants.ended(table_of(self.disk), in_order=in_order, is_fenced=life.store.is_fenced)
        if self.is_wanted:
            self._timeline.call_later(self._chance.random() * 3.0, self.start)

    def kill(self) -> str:
        """Kill the server, as with a loss of power; return the fault of the disk."""
        life, process = self.life, self._process
        if life is None or process is None:
            return ""
        process.kill()
        life.store.crash()
        fault = self.disk.crash(self._chance)
        for link in self.links:
            link.server.is_lost = True
            link.reset_peer()
        self.links.clear()
        self.ended(life, in_order=False)
        return fault

    def abandon(self) -> None:
        """End the process of the server, as a simulation that has failed goes no further."""
        if self._process is not None:
            self._process.kill()

    def pause(self, seconds: float) -> None:
        """Stop the process of the server for some time."""
        if self._process is not None:
            self._process.pause(seconds)

    def connect(self, caller: Caller) -> None:
        """Connect a peer, or let it know that this is not possible."""
        life, process = self.life, self._process
        if life is None or process is None or not life.is_listening:
            self._timeline.call_later(0.001, caller.lost)
            return
        self.links = [link for link in self.links if not link.is_over]
        self._links_made += 1
        number = self._links_made
        link = Link(self._timeline, number, process, self._chances.of(f"link {number}"), self.network, caller)
        self.links.append(link)
        process.call_soon(life.accept, link)
        self._timeline.call_later(0.001, caller.connected, link.peer)


def _nothing() -> None:
    """Do nothing at the end of a connection."""
