# SPDX-License-Identifier: MIT
"""The job server against a naive model, under any order of events.

Invariants: no job is lost, duplicated or delivered to the wrong peer; every peer receives exactly the packets of the
model, in that order; no worker is left asleep while a job that it can do waits longer than the re-arm time; no worker
that is awake is woken; a held grab is answered in time, and a job pushed to a silent worker is requeued.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from geartrain.core import JobServerOptions, PriorityScope
from geartrain.core.wakeups import LONG_POLL_TIME
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer
from tests.core.model import ModelJob, ModelPeer, ModelServer

NAMES = [b"f", b"g"]
FUNCTIONS = st.sampled_from(NAMES)
UNIQUES = st.sampled_from([b"", b"", b"-", b"u"])
WORKLOADS = st.sampled_from([b"", b"w", b"x"])
SUBMISSIONS = {
    (0, False): Command.SUBMIT_JOB_HIGH,
    (1, False): Command.SUBMIT_JOB,
    (2, False): Command.SUBMIT_JOB_LOW,
    (0, True): Command.SUBMIT_JOB_HIGH_BG,
    (1, True): Command.SUBMIT_JOB_BG,
    (2, True): Command.SUBMIT_JOB_LOW_BG,
}
ENDINGS = [Command.WORK_COMPLETE, Command.WORK_FAIL, Command.WORK_EXCEPTION]


@dataclass(eq=False)
class Connection:
    """One connection, seen from both sides, with the sleep state that its worker would track."""

    wire: WirePeer
    model: ModelPeer = field(default_factory=ModelPeer)
    asleep_since: float | None = None
    able_since: dict[bytes, float] = field(default_factory=dict)
    may_be_woken: bool = False
    asking_since: float | None = None
    may_be_handed: bool = False

    def send(self, command: Command, *arguments: bytes) -> None:
        self.model.handed = None
        self.wire.send(command, *arguments)

    def stops_asking(self, model: ModelServer) -> None:
        """Expect the answer to a held grab, which any packet of the connection causes."""
        if self.asking_since is not None:
            self.asking_since = self.asleep_since = None
            model.sent[self.model].append((Command.NO_JOB,))


class Conversations(RuleBasedStateMachine):
    """Any number of peers, each client and worker at once."""

    connections = Bundle("connections")

    @initialize(
        target=connections,
        scope=st.sampled_from(PriorityScope),
        round_robin=st.booleans(),
        retries=st.sampled_from([-1, -1, 0, 2]),
        wakeup=st.sampled_from([1, 1, 1, 2, 0]),
        workers=st.lists(st.tuples(st.sampled_from([NAMES, NAMES, NAMES[:1]]), st.booleans()), min_size=2, max_size=5),
    )
    def start(
        self,
        scope: PriorityScope,
        round_robin: bool,
        retries: int,
        wakeup: int,
        workers: list[tuple[list[bytes], bool]],
    ) -> MultipleResults[Connection]:
        options = JobServerOptions(
            priority_scope=scope, round_robin=round_robin, job_retries=retries, worker_wakeup=wakeup
        )
        self.rearm = options.rearm_after
        self.wire = Wire(options)
        self.model = ModelServer(options)
        self.open: list[Connection] = []
        self.last_declined = 0.0
        for functions, is_asleep in workers:
            worker = self.connect()
            for function in functions:
                self.can_do(worker, function, 0)
            if is_asleep:
                self.pre_sleep(worker)
        return multiple(*self.open)

    @rule(target=connections)
    def join(self) -> Connection:
        return self.connect()

    def connect(self) -> Connection:
        connection = Connection(self.wire.connect())
        self.open.append(connection)
        return connection

    @precondition(lambda self: len(self.open) > 3)
    @rule(connection=consumes(connections))
    def disconnect(self, connection: Connection) -> None:
        self.check_received()
        self.open.remove(connection)
        connection.wire.close()
        self.model.disconnect(connection.model)

    @rule(connection=connections, function=FUNCTIONS, timeout=st.sampled_from([0, 0, 1, 3]))
    def register(self, connection: Connection, function: bytes, timeout: int) -> None:
        self.can_do(connection, function, timeout)

    def can_do(self, connection: Connection, function: bytes, timeout: int) -> None:
        connection.send(Command.CAN_DO_TIMEOUT, function, b"%d" % (timeout * 1000))
        if function not in connection.model.abilities:
            connection.model.order.insert(0, function)
            connection.able_since[function] = self.model.now
        connection.model.abilities[function] = timeout

    @rule(connection=connections, function=FUNCTIONS)
    def cant_do(self, connection: Connection, function: bytes) -> None:
        connection.send(Command.CANT_DO, function)
        if connection.model.abilities.pop(function, None) is not None:
            connection.model.order.remove(function)
            if not connection.model.abilities:
                connection.stops_asking(self.model)

    @rule(connection=connections)
    def reset_abilities(self, connection: Connection) -> None:
        connection.send(Command.RESET_ABILITIES)
        connection.model.abilities.clear()
        connection.model.order.clear()
        connection.stops_asking(self.model)

    @rule(
        connection=connections,
        function=FUNCTIONS,
        unique=UNIQUES,
        workload=WORKLOADS,
        priority=st.sampled_from([0, 1, 1, 2]),
        background=st.booleans(),
    )
    def submit_somehow(
        self, connection: Connection, function: bytes, unique: bytes, workload: bytes, priority: int, background: bool
    ) -> None:
        self.submit(connection, function, unique, workload, priority, background)

    def submit(
        self, connection: Connection, function: bytes, unique: bytes, workload: bytes, priority: int, background: bool
    ) -> None:
        connection.send(SUBMISSIONS[priority, background], function, unique, workload)
        self.model.submit(connection.model, function, unique, workload, priority, background, 0)

    @rule(connection=connections, function=FUNCTIONS, background=st.booleans())
    def submit_plainly(self, connection: Connection, function: bytes, background: bool) -> None:
        self.submit(connection, function, b"", b"w", 1, background)

    @rule(connection=connections, function=FUNCTIONS, unique=UNIQUES, delay=st.integers(1, 5))
    def submit_epoch(self, connection: Connection, function: bytes, unique: bytes, delay: int) -> None:
        when = int(self.wire.clock.time()) + delay
        connection.send(Command.SUBMIT_JOB_EPOCH, function, unique, b"%d" % when, b"later")
        delay_left = when - self.wire.clock.time()
        self.model.submit(connection.model, function, unique, b"later", 1, True, delay_left)

    @rule(connection=connections)
    def ask_for_work(self, connection: Connection) -> None:
        self.grab(connection)

    @rule(connection=connections)
    def ask_for_more_work(self, connection: Connection) -> None:
        self.grab(connection)

    def grab(self, connection: Connection) -> None:
        connection.send(Command.GRAB_JOB_UNIQ)
        connection.stops_asking(self.model)
        self.model.grab(connection.model)
        connection.asleep_since = None

    @rule(connection=connections)
    def keep_asking(self, connection: Connection) -> None:
        """Grab with long polling."""
        connection.send(Command.OPTION_REQ, b"long-poll")
        self.model.sent[connection.model].append((Command.OPTION_RES, b"long-poll"))
        connection.send(Command.GRAB_JOB_ALL)
        connection.stops_asking(self.model)
        connection.asleep_since = None
        if connection.model.abilities and self.model.next_job(connection.model) is None:
            connection.asking_since = connection.asleep_since = self.model.now
            connection.may_be_woken = True
        else:
            self.model.grab(connection.model)

    @rule(connection=connections)
    def reassure(self, connection: Connection) -> None:
        connection.send(Command.ECHO_REQ, b"here")
        self.model.sent[connection.model].append((Command.ECHO_RES, b"here"))

    @rule(connection=connections)
    def come_and_go(self, connection: Connection) -> None:
        """Act as a well-behaved worker: grab, and sleep when there is no job."""
        self.grab(connection)
        if self.model.sent[connection.model][-1] == (Command.NO_JOB,):
            self.pre_sleep(connection)

    @rule(connection=connections)
    def sleep(self, connection: Connection) -> None:
        self.pre_sleep(connection)

    def pre_sleep(self, connection: Connection) -> None:
        self.check_received()
        connection.stops_asking(self.model)
        if self.model.next_job(connection.model) is not None:
            self.last_declined = self.model.now  # a worker that was woken and sleeps again gets one more wake-up
        connection.asleep_since = self.model.now
        connection.may_be_woken = True
        connection.send(Command.PRE_SLEEP)

    @rule(connection=connections, command=st.sampled_from([*ENDINGS, *ENDINGS, Command.WORK_DATA]), data=st.data())
    def result(self, connection: Connection, command: Command, data: st.DataObject) -> None:
        """Report on a job, more often than not one that the connection runs."""
        own = [job.handle for job in self.model.jobs if job.worker is connection.model]
        known = [b"H:localhost:%d" % number for number in range(1, self.model.created + 2)]
        handle = data.draw(st.sampled_from(own or known) if data.draw(st.integers(0, 4)) else st.sampled_from(known))
        rest = () if command is Command.WORK_FAIL else (b"data",)
        connection.send(command, handle, *rest)
        self.model.result(connection.model, command, handle)

    @rule(connection=connections, data=st.data())
    def cancel(self, connection: Connection, data: st.DataObject) -> None:
        self.check_received()
        if self.model.jobs:
            handle = data.draw(st.sampled_from([job.handle for job in self.model.jobs]))
            self.model.cancel(handle)
            self.wire.connect().say(f"cancel job {handle.decode()}")

    @rule(seconds=st.sampled_from([0.25, 1.0, 1.0, 3.0]))
    def advance(self, seconds: float) -> None:
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        self.wire.advance(seconds)
        handed = [connection.model for connection in self.open if connection.model.handed is not None]
        self.model.advance(seconds, sorted(handed, key=lambda peer: peer.handed[0].grabbed if peer.handed else 0))

    def check_received(self) -> None:
        """Every peer has received the packets of the model, and a NOOP only while it slept."""
        received = {connection: self.received(connection) for connection in self.open}
        self.hand_over({connection: packets for connection, packets in received.items() if connection.may_be_handed})
        for connection, packets in received.items():
            if connection.asleep_since is None:
                connection.may_be_woken = False
            assert packets == self.model.sent.pop(connection.model, [])

    def received(self, connection: Connection) -> list[tuple[object, ...]]:
        received: list[tuple[object, ...]] = []
        for packet in connection.wire.packets():
            if packet[0] is Command.NOOP:
                assert connection.may_be_woken, "no worker that is awake is woken"
                connection.may_be_woken = False
                connection.may_be_handed = connection.asking_since is not None
                connection.asleep_since = connection.asking_since = None
            else:
                received.append(packet[:2] if packet[0] is Command.ERROR else packet)
        if connection.asking_since is not None and self.model.now - connection.asking_since >= LONG_POLL_TIME:
            received.remove((Command.NO_JOB,))  # a grab was held long enough
            connection.asking_since = connection.asleep_since = None
        return received

    def hand_over(self, received: dict[Connection, list[tuple[object, ...]]]) -> None:
        """Let workers with held grabs take the jobs in the model that they were pushed, in a possible order."""
        for connection in received:
            connection.may_be_handed = False
        while received:
            for connection, packets in received.items():
                job = self.model.next_job(connection.model)
                if job is not None and job.handle == packets[-1][1]:
                    break
            else:
                raise AssertionError(f"{received} are not the jobs whose turn it is")
            del received[connection]
            self.model.grab(connection.model)
            connection.model.handed = job, self.model.now

    @invariant()
    def check_no_worker_oversleeps(self) -> None:
        self.check_received()
        for connection in self.open:
            if connection.asleep_since is not None:
                for function in connection.model.abilities:
                    for job in self.model.waiting(function):
                        if job.handle in connection.model.released:
                            continue  # it may still run the job that was taken from it
                        waits_since = max(waiting_since(job), self.last_declined)
                        since = max(connection.asleep_since, connection.able_since[function], waits_since)
                        assert self.model.now - since < self.rearm, f"{job.handle!r} waits for {connection}"

    @invariant()
    def check_books(self) -> None:
        """The server's listings agree with the model."""
        self.check_received()
        watcher = self.wire.connect()
        shown = {tuple(line.split("\t")) for line in watcher.say("show jobs").splitlines()[:-1]}
        assert shown == {
            (job.handle.decode(), str(job.retries), str(int(not job.is_wanted)), "0") for job in self.model.jobs
        }
        for line in watcher.say("status").splitlines()[:-1]:
            function, total, running, workers = line.split("\t")
            jobs = [job for job in self.model.jobs if job.function == function.encode()]
            assert int(total) == len(jobs)
            assert int(running) == sum(job.worker is not None for job in jobs)
            assert int(workers) == sum(function.encode() in connection.model.abilities for connection in self.open)
        watcher.close()

    def teardown(self) -> None:
        """A worker that can do every function gets all remaining jobs, once."""
        if not hasattr(self, "open"):
            return
        self.check_received()
        self.pass_time(10)
        self.check_received()
        rescuer = self.connect()
        for function in NAMES:
            self.can_do(rescuer, function, 0)
        for connection in [connection for connection in self.open if connection is not rescuer]:
            self.open.remove(connection)
            connection.wire.close()
            self.model.disconnect(connection.model)
        for _ in range(len(self.model.jobs) + 1):
            self.grab(rescuer)
        self.check_received()
        for job in list(self.model.jobs):
            rescuer.send(Command.WORK_COMPLETE, job.handle, b"data")
            self.model.result(rescuer.model, Command.WORK_COMPLETE, job.handle)
        assert self.model.jobs == []
        assert not self.wire.server.has_work
        self.check_received()


def waiting_since(job: ModelJob) -> float:
    assert job.waiting_since is not None
    return job.waiting_since


TestConversations = Conversations.TestCase
TestConversations.settings = settings(stateful_step_count=60)
