# SPDX-License-Identifier: MIT
"""Exceptions of functions, with their types and tracebacks, as clients get them."""

import asyncio

import pytest

from geartrain import AssignedJob, AsyncAssignedJob, AsyncClient, AsyncWorker, Client, JobException, Worker
from geartrain.protocol import Command
from geartrain.testing import Wire, run_server, run_worker
from geartrain.worker import WorkerOptions
from geartrain.worker.functions import Function
from geartrain.worker.session import Assignment, WorkerSession
from geartrain.worker.sync.calls import perform

PATIENCE = 60.0  # seconds that no step takes unless it hangs
TYPES = ("MissingError", "KeyError", "LookupError", "Exception", "BaseException")


class MissingError(KeyError):
    """An exception of a program."""


def fail(job: AssignedJob) -> None:
    raise MissingError(job.text)


async def fail_soon(job: AsyncAssignedJob) -> None:
    raise MissingError(job.text)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["thread", "process", "asyncio"])
@pytest.mark.parametrize("tracebacks", [False, True])
def test_a_client_gets_types_and_on_request_the_traceback(kind: str, *, tracebacks: bool) -> None:
    worker: Worker | AsyncWorker
    if kind == "asyncio":
        worker = AsyncWorker("127.0.0.1:1", tracebacks=tracebacks)
        worker.add_function("f", fail_soon)
    else:
        worker = Worker("127.0.0.1:1", executor="process" if kind == "process" else "thread", tracebacks=tracebacks)
        worker.add_function("f", fail)

    async def ask(address: str) -> BaseException | None:
        async with AsyncClient(address) as client:
            return await (await client.submit("f", "here")).exception(PATIENCE)

    with run_server() as server, run_worker(worker, server.address), Client(server.address) as client:
        for error in (client.submit("f", "here").exception(PATIENCE), asyncio.run(ask(server.address))):
            assert isinstance(error, JobException)
            assert (error.text, error.types) == ("MissingError: 'here'", TYPES)
            assert ("raise MissingError(job.text)" in error.traceback) is tracebacks


def test_other_clients_of_the_server_do_not_notice() -> None:
    wire = Wire()
    session = WorkerSession([(b"f", None)], b"", 0.0, exception_details=True)
    worker, client = wire.connect(), wire.connect()
    client.ask(Command.OPTION_REQ, b"exceptions")
    handle = client.submit(b"f")
    worker.send_bytes(session.take_outgoing())
    session.receive(worker.take_bytes(), 0.0)
    session.grab(0.0)
    worker.send_bytes(session.take_outgoing())
    session.receive(worker.take_bytes(), 0.0)

    session.report(Command.WORK_EXCEPTION, handle, b'{"types": []}\0no')
    worker.send_bytes(session.take_outgoing())

    assert client.packets() == [(Command.WORK_EXCEPTION, handle, b"no")]


def test_details_that_would_leave_no_room_for_the_text_are_left_out() -> None:
    job = AssignedJob(
        Assignment(b"H:1", b"f", b"", b"w"),
        Function("f", b"f", print, None),
        WorkerOptions(concurrency=1, max_packet=1024 + 60),
        lambda report: None,
    )
    perform(job, fail)

    assert job.ending[0] == (Command.WORK_EXCEPTION, b"\0MissingError: 'w'")
