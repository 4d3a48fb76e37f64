# SPDX-License-Identifier: MIT
"""One simulation: a server, its peers and faults in one thread, which a seed decides and repeats exactly."""

import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from geartrain.core import JobServer, JobServerOptions
from tests.simulation.disk import DiskFaults, table_of
from tests.simulation.network import Caller, Conditions
from tests.simulation.peers import Admin, Client, Worker
from tests.simulation.plan import Plan, draw
from tests.simulation.server import Machine
from tests.simulation.timeline import Chances, Clock, Timeline, Trace, Violation

__all__ = ["Failure", "Report", "Simulation", "simulate"]

_STORM = 60.0  # seconds of work and faults
_CALM = 240.0  # seconds in which everything must be completed when the faults have ended
_LAST_WORKERS = 3
_REMEMBERED = 100  # handles that the administrator may cancel
_LOOK = 0.25  # seconds between two looks at the invariants while the server rests


class Failure(AssertionError):
    """A simulation broke an invariant; the message has the seed, and the last events."""


@dataclass(slots=True)
class Report:
    """The outcome of a simulation.

    Attributes:
        seed: The seed.
        digest: The digest of all events.
        steps: Number of events.
        seconds: Simulated time.
        ends: Number of jobs that a worker ended.
        job_seconds: Simulated time from their submission to their end, in all.
        faults: Number of faults by kind.
        events: Number of other events by kind.
    """

    seed: int
    digest: str = ""
    steps: int = 0
    seconds: float = 0.0
    ends: int = 0
    job_seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)


class _Alarm(logging.Handler):
    """Keeps the first record with a traceback: an internal error, which the server survives."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.error: BaseException | None = None
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an internal error."""
        if record.exc_info and record.exc_info[1] is not None and self.error is None:
            self.error = record.exc_info[1]
            self.text = record.getMessage()


class Simulation:
    """A server, its peers and their faults.

    Args:
        seed: Decides everything.
        make_job_server: Makes the core; tests plant faults here.
        is_printed: Print all events.
    """

    def __init__(
        self,
        seed: int,
        make_job_server: Callable[[JobServerOptions, Clock], JobServer] = JobServer,
        *,
        is_printed: bool = False,
    ) -> None:
        self.report = Report(seed)
        self._chances = Chances(seed)
        self._chance = self._chances.of("faults")
        self.plan: Plan = draw(self._chances.of("plan"))
        self.timeline = Timeline()
        self.trace = Trace(self.timeline, is_printed=is_printed)
        self.machine = Machine(
            self.timeline, self._chances, self.trace, self.plan.settings, self.report.faults, make_job_server
        )
        self.clock = self.machine.clock
        self.is_closing_time = False
        self.handles: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._clients: list[Client] = []
        self._workers: list[Worker] = []

    # For the peers.

    def connect(self, caller: Caller) -> None:
        """Connect a peer to the server."""
        self.machine.connect(caller)

    def count(self, event: str) -> None:
        """Count an event."""
        self.report.events[event] = self.report.events.get(event, 0) + 1

    # The run.

    def run(self) -> Report:
        """Run to the end.

        Raises:
            Failure: An invariant does not hold.
        """
        state = random.getstate()
        random.seed(self.report.seed)  # back-off draws from the module
        alarm = _Alarm()
        logger = logging.getLogger("geartrain")
        propagates, logger.propagate = logger.propagate, False
        logger.addHandler(alarm)
        try:
            self._run(alarm)
        except Violation as violation:
            raise Failure(
                f"seed {self.report.seed}, step {self.timeline.steps}, {self.timeline.now:.3f} s: {violation}\n"
                f"{self.trace.last}"
            ) from violation
        finally:
            self.machine.abandon()
            logger.removeHandler(alarm)
            logger.propagate = propagates
            random.setstate(state)
            self._fill_report()
        return self.report

    def _run(self, alarm: _Alarm) -> None:
        self.machine.start()
        plan = self.plan
        for number in range(plan.workers):
            name = f"w{number}"
            self._workers.append(Worker(self, name, plan.worker, self._chances.of(name)))
        for number in range(plan.clients):
            name = f"c{number}"
            self._clients.append(Client(self, name, plan.client, self._chances.of(name)))
        Admin(self, plan.cancel_pause, has_rules=plan.client.has_rules, chance=self._chances.of("admin"))
        for fault, mean in plan.faults.items():
            self._plan_fault(fault, mean)
        self._look()
        self._until(_STORM, alarm)
        self._calm_down()
        self._until(_STORM + _CALM, alarm, self._is_complete)
        if not self._is_complete():
            raise Violation(f"after {_CALM} calm seconds: {self._remaining()}")
        self.machine.is_wanted = False
        life = self.machine.life
        assert life is not None, "the server runs"
        life.request_stop(drain=False)
        self._until(self.timeline.now + 60.0, alarm, lambda: life.is_over)
        if not life.is_over:
            raise Violation("the server does not stop")
        left = table_of(self.machine.disk).jobs
        if left:
            raise Violation(f"jobs are left in the store: {sorted(left)}")

    def _until(self, when: float, alarm: _Alarm, is_done: Callable[[], bool] = lambda: False) -> None:
        while self.timeline.now < when and not is_done():
            try:
                if not self.timeline.step():
                    return
            except Violation:
                raise
            except Exception as error:
                raise Violation(f"an internal error: {error!r}") from error
            if alarm.error is not None:
                raise Violation(f"an internal error: {alarm.text}: {alarm.error!r}") from alarm.error

    def _look(self) -> None:
        self.machine.look()
        self.timeline.call_later(_LOOK, self._look)

    # The end.

    def _calm_down(self) -> None:
        """End all faults, and let all jobs be done: their times come, and a worker can do every function."""
        self.trace.note("calm")
        self.is_closing_time = True
        machine = self.machine
        machine.faults = DiskFaults()
        if machine.life is not None:
            machine.life.store.faults = machine.faults
            if machine.life.store.is_fenced:
                self._kill()
        self.clock.jump(max(0.0, self.clock.latest + 60.0 - self.clock.time()))
        machine.network = Conditions()
        for number in range(_LAST_WORKERS):
            name = f"last{number}"
            self._workers.append(Worker(self, name, self.plan.worker, self._chances.of(name)))

    def _is_complete(self) -> bool:
        life = self.machine.life
        server = life.job_server if life is not None and life.is_listening else None
        return (
            server is not None
            and not server.has_work
            and server.background_jobs() == (0, 0)
            and not server.is_restoring
            and not server.commit_queue.pending
            and all(client.is_idle for client in self._clients)
        )

    def _remaining(self) -> str:
        life = self.machine.life
        server = life.job_server if life is not None else None
        busy = [client for client in self._clients if not client.is_idle]
        queue = server.commit_queue if server is not None else None
        return f"{busy}, {queue}, {self.machine.invariants.describe()}"

    # Faults.

    def _plan_fault(self, fault: str, mean: float) -> None:
        self.timeline.call_later(self._chance.expovariate(1 / mean), self._strike, fault, mean)

    def _strike(self, fault: str, mean: float) -> None:
        if self.is_closing_time:
            return
        if self._cause(fault):
            self.trace.note(fault)
            self.report.faults[fault] = self.report.faults.get(fault, 0) + 1
        self._plan_fault(fault, mean)

    def _cause(self, fault: str) -> bool:
        """Cause a fault; return False if there is nothing that it could strike."""
        chance, machine = self._chance, self.machine
        if fault.startswith("worker"):
            worker = chance.choice(self._workers)
            return self._strike_worker(fault, worker)
        if fault.startswith("server"):
            return self._strike_server(fault)
        if fault == "clock jump":
            self.clock.jump(chance.choice((-1, 1)) * chance.choice((0.5, 5.0, 100.0)))
            return True
        if fault == "client left":
            chance.choice(self._clients).leave(at_once=chance.random() < 0.5)
            return True
        links = [link for link in machine.links if not link.is_over]
        if not links:
            return False
        link = chance.choice(links)
        if fault == "connection cut":
            link.cut()
        elif fault == "connection stalled":
            way = chance.randrange(3)
            link.stall(chance.random() * 15.0, to_server=way != 0, to_peer=way != 1)
        else:
            link.peer.pause(True)
            self.timeline.call_later(chance.random() * chance.choice((8.0, 8.0, 40.0)), link.peer.pause, False)
        return True

    def _strike_worker(self, fault: str, worker: Worker) -> bool:
        if fault == "worker killed":
            worker.kill()
        elif fault == "worker stopped":
            worker.stop(self._chance.random() * 8.0)
        else:
            worker.retire()
        return True

    def _strike_server(self, fault: str) -> bool:
        machine = self.machine
        life = machine.life
        if life is None:
            return False
        if fault == "server killed":
            self._kill()
        elif fault == "server paused":
            machine.pause(self._chance.random() * 4.0)
        else:
            if not life.is_listening:
                return False
            life.request_stop(drain=fault == "server drained")
        return True

    def _kill(self) -> None:
        fault = self.machine.kill()
        if fault:
            self.report.faults[fault] = self.report.faults.get(fault, 0) + 1

    def _fill_report(self) -> None:
        report, invariants = self.report, self.machine.invariants
        report.digest = self.trace.digest
        report.steps = self.timeline.steps
        report.seconds = self.timeline.now
        report.ends = invariants.ends
        report.job_seconds = invariants.job_seconds
        report.events |= invariants.events


def simulate(
    seed: int,
    make_job_server: Callable[[JobServerOptions, Clock], JobServer] = JobServer,
    *,
    is_printed: bool = False,
) -> Report:
    """Run the simulation of a seed, and return its report.

    Raises:
        Failure: An invariant does not hold.
    """
    return Simulation(seed, make_job_server, is_printed=is_printed).run()
