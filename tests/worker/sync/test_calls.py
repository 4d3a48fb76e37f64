# SPDX-License-Identifier: MIT
"""Calls of a blocking worker: the packets that a job sends, and those that end it."""

from collections.abc import Callable, Generator, Iterator

import pytest

from geartrain.errors import Fail
from geartrain.middleware import wrap
from geartrain.protocol import Command
from geartrain.protocol.limits import MAX_PACKET
from geartrain.worker.functions import Function
from geartrain.worker.options import WorkerOptions
from geartrain.worker.session import Assignment
from geartrain.worker.sync.calls import Call, as_call, perform
from geartrain.worker.sync.job import AssignedJob

Sent = list[tuple[object, ...]]


def job(
    sent: Sent, workload: bytes = b"w", report: Callable[..., None] | None = None, max_packet: int = MAX_PACKET
) -> AssignedJob:
    assignment = Assignment(b"H:1", b"app:f", b"u", workload, b"r")
    options = WorkerOptions(concurrency=1, client_id="me", max_packet=max_packet)
    return AssignedJob(assignment, Function("f", b"app:f", print, None), options, report or sent.append)


def without_details(packets: Sent) -> Sent:
    """Return packets with exceptions as other servers than Geartrain's get them."""
    return [
        (packet[0], bytes(packet[1]).partition(b"\0")[2]) if packet[0] is Command.WORK_EXCEPTION else packet  # type: ignore[call-overload]
        for packet in packets
    ]


def sent_by(call: Call, *, exceptions: bool = True) -> Sent:
    sent: Sent = []
    assigned = job(sent)
    perform(assigned, as_call(call), exceptions=exceptions)
    return without_details([*sent, *assigned.ending])


def test_a_job_says_what_it_is() -> None:
    assigned = job([], b'{"a": 1}')

    assert (assigned.workload, assigned.text, assigned.json()) == (b'{"a": 1}', '{"a": 1}', {"a": 1})
    assert (assigned.handle, assigned.function, assigned.unique) == ("H:1", "f", "u")
    assert (assigned.client_id, assigned.reducer) == ("me", "r")


@pytest.mark.parametrize(
    ("result", "data"),
    [(b"\0r", b"\0r"), ("ü", "ü".encode()), (None, b""), (bytearray(b"r"), b"r"), (memoryview(b"r"), b"r")],
)
def test_a_returned_value_is_the_result(result: object, data: bytes) -> None:
    assert sent_by(lambda job: result) == [(Command.WORK_COMPLETE, data)]


def test_other_results_are_an_exception() -> None:
    error = (
        b"TypeError: the result of f: without a codec, a value is str or bytes, not int: 17; for other values, pass "
    )
    error += b"codec=geartrain.JSON to the client and the worker"

    assert sent_by(lambda job: 17) == [(Command.WORK_EXCEPTION, error), (Command.WORK_FAIL,)]


def test_a_yielded_value_is_sent_at_once() -> None:
    def parts(job: AssignedJob) -> Iterator[str | bytes]:
        yield "a"
        job.progress(1, 2)
        yield b"b"

    assert sent_by(parts) == [
        (Command.WORK_DATA, b"a"),
        (Command.WORK_STATUS, b"1", b"2"),
        (Command.WORK_DATA, b"b"),
        (Command.WORK_COMPLETE, b""),
    ]


def test_a_generator_may_return_a_result_too() -> None:
    def parts(job: AssignedJob) -> Generator[bytes, None, bytes]:
        yield b"a"
        return b"z"

    assert sent_by(parts) == [(Command.WORK_DATA, b"a"), (Command.WORK_COMPLETE, b"z")]


class WithoutTextError(Exception):
    def __str__(self) -> str:
        raise AttributeError("self.reason")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), b"ValueError: no"),
        (KeyError(), b"KeyError"),
        (SystemExit(3), b"SystemExit: 3"),
        (WithoutTextError(), b"WithoutTextError: it has no text, as that raised AttributeError"),
    ],
)
def test_an_exception_is_sent_and_then_the_job_fails(error: BaseException, text: bytes) -> None:
    def call(job: AssignedJob) -> None:
        raise error

    assert sent_by(call) == [(Command.WORK_EXCEPTION, text), (Command.WORK_FAIL,)]
    assert sent_by(call, exceptions=False) == [(Command.WORK_FAIL,)]


def test_a_failure_is_only_a_failure_and_its_reason_is_a_warning() -> None:
    def call(job: AssignedJob) -> None:
        raise Fail("for a reason") if job.workload else Fail

    assert sent_by(call) == [(Command.WORK_WARNING, b"for a reason"), (Command.WORK_FAIL,)]
    assert sent_by(call, exceptions=False) == [(Command.WORK_FAIL,)]


def test_nothing_follows_the_end() -> None:
    def call(job: AssignedJob) -> bytes:
        job.fail()
        job.data(b"late")
        return b"result"

    assert sent_by(call) == [(Command.WORK_FAIL,)]


def test_middleware_goes_around_the_job_first_outermost() -> None:
    sent: Sent = []
    seen: list[object] = []

    def layer(name: str) -> Callable[[AssignedJob, Call], object]:
        def around(job: AssignedJob, call: Call) -> object:
            seen.append(name)
            result = call(job)
            assert isinstance(result, bytes)
            seen.append(result)
            return b"%b%b" % (result, name.encode())

        return around

    def parts(job: AssignedJob) -> Generator[bytes, None, bytes]:
        yield b"a"
        return b"z"

    assigned = job(sent)
    perform(assigned, wrap(as_call(parts), [layer("1"), layer("2")]))

    assert sent == [(Command.WORK_DATA, b"a")]
    assert assigned.ending == ((Command.WORK_COMPLETE, b"z21"),)
    assert seen == ["1", "2", b"z", b"z2"]


def test_a_report_that_cannot_be_sent_ends_the_job_only() -> None:
    with pytest.raises(RuntimeError):
        job([], report=_refuse).data(b"a")


def _refuse(*packet: object) -> None:
    raise RuntimeError
