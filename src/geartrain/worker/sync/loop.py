# SPDX-License-Identifier: MIT
"""One run of a blocking worker: a thread that waits for sockets, and threads that do jobs.

The shift, its sessions and the sockets belong to the thread that has the loop; all others post to it. That is the one
that calls `run`, or the only one that does jobs, between two of them: see `Baton`. So no decision needs a lock, servers
are answered however long a job takes, and a job without end cannot keep the worker from leaving.
"""

import math
import selectors
import socket
import time
from collections.abc import Sequence
from functools import partial

from geartrain.errors import GeartrainError
from geartrain.transport import ServerAddress, client_context
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import Report
from geartrain.worker.options import Reason, WorkerOptions
from geartrain.worker.session import Assignment
from geartrain.worker.shift import Shift
from geartrain.worker.sync.baton import CAN_LEND, Baton
from geartrain.worker.sync.calls import Call, Middleware, wrap
from geartrain.worker.sync.child import Child, labour
from geartrain.worker.sync.connection import Connection
from geartrain.worker.sync.crew import PATIENCE, Crew, Hand, OwnHand
from geartrain.worker.sync.job import AssignedJob
from geartrain.worker.sync.link import Link, Outcome
from geartrain.worker.sync.mailbox import Mailbox
from geartrain.worker.sync.nursery import Nursery

__all__ = ["WorkerLoop"]


class WorkerLoop:
    """Talks to all servers until there is a reason to leave; see `Shift` for what it is given."""

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[Call],
        middleware: Sequence[Middleware],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
    ) -> None:
        dress = partial(wrap, middleware=middleware)
        now = time.monotonic()
        self._shift = Shift(addresses, functions, dress, options, burst=burst, idle_timeout=idle_timeout, now=now)
        tls = client_context(options.tls)
        self._links = [Link(contact, options, tls) for contact in self._shift.contacts]
        self._options = options
        # Before there is a thread or a socket.
        self._nursery = (
            Nursery(partial(labour, self._shift.functions, options)) if options.executor == "process" else None
        )
        self._lends = options.concurrency == 1 and CAN_LEND
        self._crew = Crew(
            options.concurrency, self._new_hand, PATIENCE if self._nursery is None and not self._lends else 0.0
        )
        self._mailbox = Mailbox()
        self._selector = selectors.DefaultSelector()
        self._baton = Baton(self._selector)
        self._is_lent = False
        self._is_leaving = False
        self._failure: BaseException | None = None  # of whoever had borrowed the loop

    @property
    def button(self) -> int:
        """The descriptor that a byte may be written to, to have the thread that called `run` look around."""
        return self._baton.button

    # What any thread may call.

    def stop(self, grace: float) -> None:
        """Take no more jobs, and leave when those in hand are done, at the latest after ``grace`` seconds."""
        self._mailbox.post(lambda: self._shift.stop(grace, time.monotonic()))

    def add(self, function: Function[Call]) -> None:
        """Register a function that has come into the table."""
        self._mailbox.post(partial(self._shift.add, function))

    def remove(self, function: Function[Call]) -> None:
        """Take back a function that has gone from the table."""
        self._mailbox.post(partial(self._shift.remove, function))

    # What happens in the loop's thread.

    def run(self) -> Reason:
        """Work, and return why that came to an end.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached.
        """
        self._crew.start()
        try:
            self._selector.register(self._mailbox.bell, selectors.EVENT_READ, self._mailbox.deliver)
            self._mailbox.post(self._turn)
            while not self._is_leaving:
                if self._baton.keep(self._deadline):
                    try:
                        self._go_on()
                    finally:
                        self._baton.put_down()
        finally:
            self._leave()
        return self._shift.reason()

    def close(self) -> None:
        """Give back what a loop has, whether it was run or not."""
        self._mailbox.close()
        if self._nursery is not None:
            self._nursery.close()
        self._baton.close()
        self._selector.close()

    def _go_on(self) -> None:
        """Take what has happened, and do what is due."""
        if self._failure is not None:
            raise self._failure
        self._wait(0.0)
        self._turn()
        self._is_leaving = self._shift.is_over(time.monotonic())

    def _deadline(self) -> float:
        """Return when something is due that nobody else will tell of; perhaps never."""
        if self._failure is not None or self._shift.is_over(time.monotonic()):
            return -math.inf
        return min(self._shift.deadline(), self._crew.deadline)

    def _wait(self, patience: float | None) -> None:
        """Take what happens until the patience is over."""
        for key, _ in self._selector.select(patience):
            key.data()

    def _turn(self) -> None:
        """Do all that is due, and let everything leave that has collected."""
        now = time.monotonic()
        for link in self._links:
            if link.connection is not None:
                self._tick(link, link.connection, now)
            elif self._shift.wants_connection(link.contact, now):
                link.connect(self._take_outcome)
        self._shift.turn(now)
        self._crew.look(now)
        for link in self._links:
            if link.connection is not None:
                self._flush(link, link.connection)

    def _tick(self, link: Link, connection: Connection, now: float) -> None:
        try:
            connection.session.tick(now)
        except GeartrainError as error:
            self._lost(link, connection, error)

    def _leave(self) -> None:
        self._is_leaving = True
        self._mailbox.post(_nothing)  # to whoever has borrowed the loop
        self._baton.keep_for_good()
        self._say_farewell()
        self._crew.leave(wait=not self._shift.running)

    def _say_farewell(self) -> None:
        self._shift.leave()
        if self._nursery is not None and self._shift.running:
            self._nursery.close()  # before others get the jobs
        for link in self._links:
            if link.connection is not None:
                link.connection.leave()

    # What happens in between, in the same thread.

    def _connected(self, link: Link, outcome: Outcome) -> None:
        now = time.monotonic()
        if not isinstance(outcome, socket.socket):
            self._shift.lost(link.contact, str(outcome), now)
        elif (session := self._shift.connected(link.contact, now)) is None:
            outcome.close()
        else:
            link.connection = connection = Connection(outcome, session)
            self._selector.register(outcome, selectors.EVENT_READ, partial(self._receive, link, connection))

    def _receive(self, link: Link, connection: Connection) -> None:
        try:
            begun = self._shift.receive(link.contact, connection.read(), time.monotonic())
        except GeartrainError as error:
            self._lost(link, connection, error)
            return
        for assignment, function in begun:
            self._begin(connection, assignment, function)

    def _flush(self, link: Link, connection: Connection) -> None:
        try:
            connection.flush()
        except GeartrainError as error:
            self._lost(link, connection, error)
            return
        if connection.is_sending is not connection.is_awaited:
            connection.is_awaited = connection.is_sending
            interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.is_sending else 0)
            self._selector.modify(connection.sock, interest, self._selector.get_key(connection.sock).data)

    def _lost(self, link: Link, connection: Connection, error: GeartrainError) -> None:
        self._selector.unregister(connection.sock)
        connection.close()
        link.connection = None
        self._shift.lost(link.contact, str(error), time.monotonic())

    def _begin(self, connection: Connection, assignment: Assignment, function: Function[Call]) -> None:
        report = partial(self._report, connection, assignment.handle)
        codec = function.codec or self._options.codec
        job = AssignedJob(assignment, function.name, self._options.client_id, report, codec)
        self._crew.do(partial(self._do, connection, job, function), here=self._is_lent)

    def _finish(self, connection: Connection, job: AssignedJob) -> None:
        self._shift.finish(connection.session, job, time.monotonic())

    def _give_up(self, error: GeartrainError) -> None:
        raise error

    # What happens in other threads.

    def _new_hand(self) -> Hand:
        exceptions = self._options.exceptions
        return OwnHand(exceptions=exceptions) if self._nursery is None else Child(self._nursery, exceptions=exceptions)

    def _take_outcome(self, link: Link, outcome: Outcome) -> None:
        """Pass on, from a connecting thread, what came of it."""
        if not self._mailbox.post(partial(self._connected, link, outcome)) and isinstance(outcome, socket.socket):
            outcome.close()

    def _do(self, connection: Connection, job: AssignedJob, function: Function[Call], hand: Hand) -> None:
        try:
            hand.do(job, function)
        except GeartrainError as error:
            self._mailbox.post(partial(self._give_up, error))
        else:
            if self._lends:
                self._finish_and_go_on(connection, job)
            else:
                self._mailbox.post(partial(self._finish, connection, job))

    def _finish_and_go_on(self, connection: Connection, job: AssignedJob) -> None:
        """Have the loop until there is another job to do."""
        if not self._baton.borrow():
            return  # the worker has left without this thread
        self._is_lent = True
        try:
            if self._mailbox.has_letters:
                self._mailbox.deliver()  # among them what the job had to say before its end
            self._finish(connection, job)
            self._turn()
            while not (self._is_leaving or self._crew.has_task or self._shift.is_over(now := time.monotonic())):
                deadline = self._shift.deadline()
                self._wait(None if deadline == math.inf else max(deadline - now, 0.0))
                self._turn()
        except BaseException as error:  # noqa: BLE001  # the keeper raises it
            self._failure = error
        finally:
            self._is_lent = False
            self._baton.give_back(self._deadline())

    def _report(self, connection: Connection, handle: bytes, report: Report) -> None:
        command, *arguments = report
        connection.wait_for_room(sum(map(len, arguments)))
        self._mailbox.post(partial(connection.session.work, command, handle, *arguments))


def _nothing() -> None:
    pass
