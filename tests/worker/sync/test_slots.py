# SPDX-License-Identifier: MIT
"""The slots of a blocking worker: no job ends one, and jobs that do not end in time are counted."""

import contextlib
import logging
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from geartrain import AssignedJob, Client, JobInterrupted, Priority, Worker, WorkerStuck
from geartrain.worker import WorkerOptions
from geartrain.worker.functions import Function
from geartrain.worker.session import Assignment
from geartrain.worker.sync.interruptions import Interruptions
from tests.worker.shells import PATIENCE, working


class Unspeakable(BaseException):
    """An exception whose text ends the program."""

    def __str__(self) -> str:
        raise SystemExit(1)


class Raising(logging.Handler):
    """A log handler that raises what no function should."""

    def emit(self, record: logging.LogRecord) -> None:
        raise KeyboardInterrupt


def test_an_exception_without_a_text_and_a_log_that_raises_end_no_slot(address: str, client: Client) -> None:
    worker = Worker(address)

    @worker.function
    def f(job: AssignedJob) -> bytes:
        if job.text == "fail":
            raise Unspeakable
        return b"done"

    logger, handler = logging.getLogger("geartrain.worker"), Raising()
    with working(worker):
        failing = [client.submit("f", "fail")]
        failing[0].exception(PATIENCE)
        logger.addHandler(handler)
        try:
            failing.append(client.submit("f", "fail"))
            assert failing[1].exception(PATIENCE) is not None
        finally:
            logger.removeHandler(handler)
        assert client.do("f", timeout=PATIENCE) == b"done"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_function_that_writes_to_the_socket_of_its_process_fails_alone(address: str, client: Client) -> None:
    worker = Worker(address, executor="process")

    @worker.function
    def f(job: AssignedJob) -> bytes:
        if job.text == "write":
            for entry in list(Path("/proc/self/fd").iterdir()):
                try:
                    if str(entry.readlink()).startswith("socket:"):
                        os.write(int(entry.name), b"\0garbage garbage garbage")
                except OSError:
                    pass
        return b"done"

    with working(worker):
        assert client.submit("f", "write").exception(PATIENCE) is not None
        assert client.do("f", timeout=PATIENCE) == b"done"


def test_a_thread_that_hangs_is_told_and_its_slot_does_the_next_job_when_it_ends(address: str, client: Client) -> None:
    worker = Worker(address, concurrency=2)
    told = threading.Event()

    @worker.function(timeout=0.1)
    def hang(job: AssignedJob) -> None:
        assert job.deadline is not None
        assert job.deadline <= time.monotonic() + 0.1
        while not job.cancelled:
            threading.Event().wait(0.01)
        told.set()

    @worker.function
    def f(job: AssignedJob) -> bytes:
        assert job.deadline is None
        assert not job.cancelled
        return b"done"

    with working(worker):
        client.submit_background("hang")
        assert told.wait(PATIENCE)
        assert client.do("f", priority=Priority.HIGH, timeout=PATIENCE) == b"done"
        worker.stop(grace=0.0)


def test_a_worker_whose_threads_all_hang_reports_where_and_leaves_with_an_error(
    address: str, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The server gives the job to its successor."""
    worker = Worker(address, concurrency=1)
    go_on = threading.Event()

    @worker.function(timeout=0.1)
    def hang(job: AssignedJob) -> None:
        go_on.wait(PATIENCE)

    job = client.submit("hang")
    with pytest.raises(WorkerStuck, match="hang"):
        worker.run()
    go_on.set()
    successor = Worker(address, max_jobs=1)
    successor.add_function("hang", lambda job: b"done")
    successor.run()

    assert job.result(PATIENCE) == b"done"
    assert "go_on.wait(PATIENCE)" in caplog.text


def test_a_function_may_be_interrupted(address: str, client: Client) -> None:
    worker = Worker(address, concurrency=1)
    seen: list[BaseException] = []

    @worker.function(timeout=0.1, interrupt=True)
    def hang(job: AssignedJob) -> None:
        try:
            while True:
                with contextlib.suppress(Exception):
                    threading.Event().wait(0.01)
        except JobInterrupted as error:
            seen.append(error)
            raise

    worker.add_function("f", lambda job: b"done")
    with working(worker):
        client.submit("hang")
        assert client.do("f", timeout=PATIENCE) == b"done"
        worker.stop(grace=0.0)

    assert [type(error) for error in seen][:1] == [JobInterrupted]


def test_an_interruption_that_comes_at_the_end_of_a_job_does_not_strike_the_next_one(
    address: str, client: Client
) -> None:
    """Bodies that end just when they are interrupted.

    The worker must not leave if a thread, on a busy machine, takes longer than two seconds to end.
    """
    worker = Worker(address, concurrency=1, max_stuck=2)

    @worker.function(timeout=0.05, interrupt=True)
    def late(job: AssignedJob) -> bytes:
        assert job.deadline is not None
        end = job.deadline + 0.5
        while time.monotonic() < end:
            pass
        return b"late"

    @worker.function
    def f(job: AssignedJob) -> bytes:
        total = sum(range(10_000))
        return b"%d" % total

    with working(worker):
        for _ in range(3):
            client.submit_background("late", unique="one")
            assert client.do("f", timeout=PATIENCE) == b"49995000"
        worker.stop(grace=0.0)


def test_interruptions_are_for_functions_with_a_timeout() -> None:
    with pytest.raises(ValueError, match="timeout"):
        Worker().function(interrupt=True)(test_interruptions_are_for_functions_with_a_timeout)


def test_a_traced_function_runs_after_an_interruption_that_came_too_late() -> None:
    """An interruption that is only withdrawn leaves the interpreter looking for it, and tracing in a loop for ever."""
    interruptions = Interruptions()
    job = AssignedJob(
        Assignment(b"H:1", b"f", b"", b""),
        Function("f", b"f", print, 1.0, interrupt=True),
        WorkerOptions(concurrency=1),
        lambda report: None,
    )

    def perform() -> None:
        assert interruptions.interrupt(job)
        raise KeyError

    def run() -> None:
        with contextlib.suppress(KeyError, JobInterrupted):
            interruptions.run(job, perform, may_interrupt=True)

    for _ in range(20):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(PATIENCE)
    program = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        traced = [number for number in range(3)]  # noqa: C416  # a function in 3.11, which is traced
    finally:
        sys.settrace(program)
    assert traced == [0, 1, 2]
    assert not interruptions.interrupt(job)
