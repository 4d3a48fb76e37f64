# SPDX-License-Identifier: MIT
"""Workers with many functions: the next function to serve, and the cost of finding it."""

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core import JobServerOptions, PriorityScope
from geartrain.core.ready import MANY
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

SUBMIT = {0: Command.SUBMIT_JOB_HIGH_BG, 1: Command.SUBMIT_JOB_BG, 2: Command.SUBMIT_JOB_LOW_BG}
FUNCTIONS = [b"f%d" % number for number in range(MANY + 4)]
NO_JOB = (Command.NO_JOB,)


def worker_of(wire: Wire, functions: list[bytes]) -> WirePeer:
    worker = wire.connect()
    for function in functions:
        worker.send(Command.CAN_DO, function)
    return worker


def grab(worker: WirePeer) -> bytes:
    """Return the function of the next job, which ends at once, or nothing."""
    worker.send(Command.GRAB_JOB)
    reply = worker.packets()[-1]
    if reply == NO_JOB:
        return b""
    _, handle, function, _ = reply
    assert isinstance(handle, bytes)
    assert isinstance(function, bytes)
    worker.send(Command.WORK_COMPLETE, handle, b"")
    return function


def test_functions_are_served_in_turn(wire: Wire) -> None:
    worker, client = worker_of(wire, FUNCTIONS), wire.connect()
    for function in FUNCTIONS:
        for _ in range(2):
            client.submit(function, how=Command.SUBMIT_JOB_BG)

    served = [grab(worker) for _ in range(2 * len(FUNCTIONS))]

    assert served == FUNCTIONS[::-1] * 2  # the one that was registered last comes first
    assert grab(worker) == b""


def test_a_higher_priority_comes_first_whichever_its_function(wire: Wire) -> None:
    worker, client = worker_of(wire, FUNCTIONS), wire.connect()
    for number, function in enumerate(FUNCTIONS):
        client.submit(function, how=SUBMIT[number % 3])

    served = [FUNCTIONS.index(grab(worker)) % 3 for _ in FUNCTIONS]

    assert served == sorted(served)


def test_the_priority_is_that_of_the_next_job_of_a_function(wire: Wire) -> None:
    worker, client = worker_of(wire, FUNCTIONS), wire.connect()
    client.submit(FUNCTIONS[1], how=Command.SUBMIT_JOB_HIGH_BG)
    client.submit(FUNCTIONS[1], how=Command.SUBMIT_JOB_LOW_BG)
    client.submit(FUNCTIONS[0], how=Command.SUBMIT_JOB_BG)

    assert [grab(worker) for _ in range(3)] == [FUNCTIONS[1], FUNCTIONS[0], FUNCTIONS[1]]


def test_a_worker_that_has_left_is_not_kept_by_its_functions(wire: Wire) -> None:
    worker_of(wire, FUNCTIONS)  # the functions are used by this one too
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        worker = worker_of(wire, FUNCTIONS)
        assert grab(worker) == b""
        worker.close()
        wire.peers.remove(worker)
        wire.server.take_dirty()

    gc.collect()
    assert len(gc.get_objects()) - before < 20 * len(FUNCTIONS)


def test_jobs_that_come_later_are_found(wire: Wire) -> None:
    worker, client = worker_of(wire, FUNCTIONS), wire.connect()
    for function in (*FUNCTIONS[:3], *FUNCTIONS[:3]):
        assert grab(worker) == b""
        client.submit(function, how=Command.SUBMIT_JOB_BG)

        assert grab(worker) == function


def test_a_function_that_is_taken_back_is_not_served(wire: Wire) -> None:
    worker, client = worker_of(wire, FUNCTIONS), wire.connect()
    client.submit(FUNCTIONS[0], how=Command.SUBMIT_JOB_BG)
    worker.send(Command.CANT_DO, FUNCTIONS[0])
    assert grab(worker) == b""

    worker.send(Command.CAN_DO, FUNCTIONS[0])
    assert grab(worker) == FUNCTIONS[0]

    worker.send(Command.RESET_ABILITIES)
    client.submit(FUNCTIONS[0], how=Command.SUBMIT_JOB_BG)
    assert grab(worker) == b""
    for function in FUNCTIONS:
        worker.send(Command.CAN_DO, function)
    assert grab(worker) == FUNCTIONS[0]


def test_a_function_that_only_such_workers_had_can_be_dropped(wire: Wire) -> None:
    worker = worker_of(wire, FUNCTIONS)
    assert grab(worker) == b""

    worker.close()

    assert all(wire.connect().say(f"drop function {function.decode()}") == "OK\r\n" for function in FUNCTIONS)


@pytest.mark.parametrize("scope", PriorityScope)
@pytest.mark.parametrize("round_robin", [False, True])
@given(data=st.data())
def test_many_functions_are_served_as_few_are(scope: PriorityScope, round_robin: bool, data: st.DataObject) -> None:
    """A worker with a heap gets the same jobs as one that looks at each of its functions."""
    options = JobServerOptions(priority_scope=scope, round_robin=round_robin)
    few, many = Wire(options), Wire(options)
    names = FUNCTIONS[:6]
    # The heap is kept when most functions have been taken back.
    workers = [worker_of(few, names), worker_of(many, FUNCTIONS)]
    for function in FUNCTIONS[6:]:
        workers[1].send(Command.CANT_DO, function)
    clients = [few.connect(), many.connect()]
    able = set(names)

    steps = st.one_of(
        st.tuples(st.just("submit"), st.sampled_from(names), st.sampled_from([0, 1, 2])),
        st.tuples(st.just("grab"), st.just(b""), st.just(0)),
        st.tuples(st.just("grab"), st.just(b""), st.just(0)),
        st.tuples(st.just("toggle"), st.sampled_from(names), st.just(0)),
    )
    for step, function, priority in data.draw(st.lists(steps, max_size=60)):
        if step == "submit":
            for client in clients:
                client.submit(function, how=SUBMIT[priority])
        elif step == "grab":
            first, second = (grab(worker) for worker in workers)
            assert first == second
        else:
            command = Command.CANT_DO if function in able else Command.CAN_DO
            able ^= {function}
            for worker in workers:
                worker.send(command, function)


def test_a_wide_worker_that_registers_again_gets_the_jobs_of_further_functions(wire: Wire) -> None:
    worker, client = worker_of(wire, FUNCTIONS), wire.connect()

    worker.send(Command.CAN_DO_TIMEOUT, FUNCTIONS[0], b"1000")
    worker.send(Command.CAN_DO, b"g")
    client.submit(b"g", how=Command.SUBMIT_JOB_BG)

    assert grab(worker) == b"g"


def test_a_grab_costs_the_same_with_many_functions() -> None:
    """A grab among 4,000 functions takes hardly more lines of code than one among 100."""
    assert lines_of_a_grab(4000) <= 2 * lines_of_a_grab(100)


def lines_of_a_grab(functions: int) -> float:
    """Return the lines of Python that a grab executes."""
    wire = Wire()
    names = [b"f%d" % number for number in range(functions)]
    worker, client = worker_of(wire, names), wire.connect()
    for name in names[:100]:
        client.submit(name, how=Command.SUBMIT_JOB_BG)
    grab(worker)
    lines = 0

    def count(frame: object, event: str, argument: object) -> Callable[..., Any]:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    for _ in range(50):
        grab(worker)
    sys.settrace(before)
    return lines / 50
