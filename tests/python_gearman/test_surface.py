# SPDX-License-Identifier: MIT
"""Every published name is there, takes what it took, and is found where programs look for it."""

import functools
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import geartrain.python_gearman as ours
from geartrain import GeartrainError

PACKAGE = Path(__file__).parents[2] / "packaging" / "gearman"

WAIT = "(self, job_requests, poll_timeout=None)"
SIGNATURES = {
    "client.GearmanClient": "(host_list=None, random_unique_bytes=16)",
    "client.GearmanClient.submit_job": (
        "(self, task, data, unique=None, priority=None, background=False, wait_until_complete=True, max_retries=0, "
        "poll_timeout=None)"
    ),
    "client.GearmanClient.submit_multiple_jobs": (
        "(self, jobs_to_submit, background=False, wait_until_complete=True, max_retries=0, poll_timeout=None)"
    ),
    "client.GearmanClient.submit_multiple_requests": (
        "(self, job_requests, wait_until_complete=True, poll_timeout=None)"
    ),
    "client.GearmanClient.wait_until_jobs_accepted": WAIT,
    "client.GearmanClient.wait_until_jobs_completed": WAIT,
    "client.GearmanClient.wait_until_job_statuses_received": WAIT,
    "client.GearmanClient.get_job_status": "(self, current_request, poll_timeout=None)",
    "client.GearmanClient.get_job_statuses": WAIT,
    "client.GearmanClient.establish_request_connection": "(self, current_request)",
    "client.GearmanClient.send_job_request": "(self, current_request)",
    "worker.GearmanWorker": "(host_list=None)",
    "worker.GearmanWorker.register_task": "(self, task, callback_function)",
    "worker.GearmanWorker.unregister_task": "(self, task)",
    "worker.GearmanWorker.set_client_id": "(self, client_id)",
    "worker.GearmanWorker.work": "(self, poll_timeout=60.0)",
    "worker.GearmanWorker.shutdown": "(self)",
    "worker.GearmanWorker.establish_worker_connections": "(self)",
    "worker.GearmanWorker.after_poll": "(self, any_activity)",
    "worker.GearmanWorker.after_job": "(self)",
    "worker.GearmanWorker.wait_until_updates_sent": "(self, multiple_gearman_jobs, poll_timeout=None)",
    "worker.GearmanWorker.send_job_status": "(self, current_job, numerator, denominator, poll_timeout=None)",
    "worker.GearmanWorker.send_job_complete": "(self, current_job, data, poll_timeout=None)",
    "worker.GearmanWorker.send_job_failure": "(self, current_job, poll_timeout=None)",
    "worker.GearmanWorker.send_job_exception": "(self, current_job, data, poll_timeout=None)",
    "worker.GearmanWorker.send_job_data": "(self, current_job, data, poll_timeout=None)",
    "worker.GearmanWorker.send_job_warning": "(self, current_job, data, poll_timeout=None)",
    "worker.GearmanWorker.on_job_execute": "(self, current_job)",
    "worker.GearmanWorker.on_job_exception": "(self, current_job, exc_info)",
    "worker.GearmanWorker.on_job_complete": "(self, current_job, job_result)",
    "admin_client.GearmanAdminClient": "(host_list=None, poll_timeout=10.0)",
    "admin_client.GearmanAdminClient.ping_server": "(self)",
    "admin_client.GearmanAdminClient.send_maxqueue": "(self, task, max_size)",
    "admin_client.GearmanAdminClient.send_shutdown": "(self, graceful=True)",
    "admin_client.GearmanAdminClient.get_status": "(self)",
    "admin_client.GearmanAdminClient.get_version": "(self)",
    "admin_client.GearmanAdminClient.get_workers": "(self)",
    "admin_client.GearmanAdminClient.get_pid": "(self)",
    "admin_client.GearmanAdminClient.get_jobs": "(self)",
    "admin_client.GearmanAdminClient.get_unique_jobs": "(self)",
    "admin_client.GearmanAdminClient.cancel_job": "(self, handle)",
    "connection_manager.GearmanConnectionManager": "(host_list=None)",
    "connection_manager.GearmanConnectionManager.shutdown": "(self)",
    "connection_manager.GearmanConnectionManager.add_connection": "(self, hostport_tuple)",
    "connection_manager.GearmanConnectionManager.add_ssl_connection": "(self, host, port, keyfile, certfile, ca_certs)",
    "connection_manager.GearmanConnectionManager.establish_connection": "(self, current_connection)",
    "connection_manager.GearmanConnectionManager.on_gearman_error": "(self, error_code, error_text)",
    "connection_manager.DataEncoder.encode": "(encodable_object)",
    "connection_manager.DataEncoder.decode": "(decodable_string)",
    "connection_manager.NoopEncoder.encode": "(encodable_object)",
    "connection_manager.NoopEncoder.decode": "(decodable_string)",
    "connection.GearmanConnection": "(host=None, port=4730, keyfile=None, certfile=None, ca_certs=None)",
    "connection.GearmanConnection.connect": "(self)",
    "connection.GearmanConnection.close": "(self)",
    "connection.GearmanConnection.get_address": "(self)",
    "connection.GearmanConnection.fileno": "(self)",
    "connection.GearmanConnection.readable": "(self)",
    "connection.GearmanConnection.writable": "(self)",
    "job.GearmanJob": "(connection, handle, task, unique, data)",
    "job.GearmanJob.to_dict": "(self)",
    "job.GearmanJobRequest": "(gearman_job, initial_priority=None, background=False, max_attempts=1)",
    "job.GearmanJobRequest.initialize_request": "(self)",
    "job.GearmanJobRequest.reset": "(self)",
    "util.Stopwatch": "(time_remaining)",
    "util.Stopwatch.get_time_remaining": "(self)",
    "util.disambiguate_server_parameter": "(hostport_tuple)",
    "util.unlist": "(given_list)",
    "protocol.get_command_name": "(cmd_type)",
}

VALUES = {
    "constants.DEFAULT_GEARMAN_PORT": 4730,
    "constants.PRIORITY_NONE": None,
    "constants.PRIORITY_LOW": "LOW",
    "constants.PRIORITY_HIGH": "HIGH",
    "constants.JOB_UNKNOWN": "UNKNOWN",
    "constants.JOB_PENDING": "PENDING",
    "constants.JOB_CREATED": "CREATED",
    "constants.JOB_FAILED": "FAILED",
    "constants.JOB_COMPLETE": "COMPLETE",
    "protocol.NULL_CHAR": b"\0",
    "protocol.MAGIC_REQ_STRING": b"\0REQ",
    "protocol.MAGIC_RES_STRING": b"\0RES",
    "protocol.COMMAND_HEADER_SIZE": 12,
    "protocol.GEARMAN_COMMAND_CAN_DO": 1,
    "protocol.GEARMAN_COMMAND_SUBMIT_JOB": 7,
    "protocol.GEARMAN_COMMAND_WORK_EXCEPTION": 25,
    "protocol.GEARMAN_COMMAND_SUBMIT_JOB_LOW_BG": 34,
    "protocol.GEARMAN_SERVER_COMMAND_STATUS": "status",
    "protocol.GEARMAN_SERVER_COMMAND_SHOW_UNIQUE_JOBS": "show unique jobs",
    "protocol.GEARMAN_SERVER_COMMAND_CANCEL_JOB": "cancel job",
}

ERRORS = [
    "ConnectionError",
    "ServerUnavailable",
    "ProtocolError",
    "UnknownCommandError",
    "ExceededConnectionAttempts",
    "InvalidClientState",
    "InvalidWorkerState",
    "InvalidAdminClientState",
]

TOP = ["GearmanAdminClient", "GearmanClient", "GearmanWorker", "DataEncoder", "PRIORITY_NONE", "PRIORITY_LOW"]
TOP += ["PRIORITY_HIGH", "JOB_PENDING", "JOB_CREATED", "JOB_FAILED", "JOB_COMPLETE", "JOB_UNKNOWN", "__version__"]


def found(path: str) -> object:
    return functools.reduce(getattr, path.split("."), ours)


@pytest.mark.parametrize("path", SIGNATURES)
def test_a_published_callable_takes_what_it_took(path: str) -> None:
    parameters = inspect.signature(found(path)).parameters.values()  # type: ignore[arg-type]  # the table's are callable

    shown = inspect.Signature([each.replace(annotation=inspect.Parameter.empty) for each in parameters])

    assert str(shown) == SIGNATURES[path]


@pytest.mark.parametrize("path", VALUES)
def test_a_published_constant_has_its_value(path: str) -> None:
    assert found(path) == VALUES[path]


@pytest.mark.parametrize("name", ERRORS)
def test_a_published_error_is_a_gearman_error_and_one_of_ours(name: str) -> None:
    error = getattr(ours.errors, name)

    assert issubclass(error, ours.errors.GearmanError)
    assert issubclass(error, GeartrainError)


def test_an_unknown_constant_of_the_protocol_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="GEARMAN_COMMAND_NONSENSE"):
        found("protocol.GEARMAN_COMMAND_NONSENSE")
    assert ours.protocol.get_command_name(9) == "GEARMAN_COMMAND_GRAB_JOB"
    assert ours.protocol.get_command_name(999) == 999
    assert "GEARMAN_COMMAND_NOOP" in dir(ours.protocol)


def test_a_list_of_one_is_its_item() -> None:
    assert ours.util.unlist([]) is None
    assert ours.util.unlist(["a"]) == "a"
    with pytest.raises(ValueError, match="not 2"):
        ours.util.unlist(["a", "b"])


DOORS = {"install": "import geartrain.python_gearman\ngeartrain.python_gearman.install()\n", "package": ""}


@pytest.mark.parametrize("door", DOORS)
def test_programs_find_everything_under_the_old_name(door: str, tmp_path: Path) -> None:
    modules = sorted({path.split(".")[0] for path in SIGNATURES | VALUES} | {"errors"})
    lines = [f"from gearman.{module} import *" for module in modules]
    lines += [f"import gearman.{module}" for module in modules]
    lines += [f"from gearman import {', '.join([*TOP, *modules])}"]
    lines += ["from gearman.protocol import GEARMAN_COMMAND_ECHO_REQ", "from gearman.errors import ServerUnavailable"]
    lines += ["assert gearman.errors is errors is __import__('sys').modules['gearman.errors']"]
    lines += ["assert gearman.GearmanClient is gearman.client.GearmanClient is GearmanClient"]
    program = tmp_path / "program.py"
    program.write_text(DOORS[door] + "\n".join(lines))
    path = {"PYTHONPATH": str(PACKAGE)} if door == "package" else {}

    done = subprocess.run(
        [sys.executable, "-W", "error", program], env=path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_is_not_left_with_two_gearmans(tmp_path: Path) -> None:
    (tmp_path / "gearman.py").touch()
    program = "import gearman, geartrain.python_gearman as ours; ours.install()"

    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert "is imported already" in done.stderr


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("a", ("a", 4730)),
        ("a:1", ("a", 1)),
        (("a", 1), ("a", 1)),
        (("a", "1"), ("a", 1)),
        ("[::1]:1", ("::1", 1)),
        ({"host": "a", "port": None, "keyfile": "k", "certfile": "c", "ca_certs": "ca"}, ("a", 4730)),
    ],
)
def test_a_server_is_written_in_any_published_way(
    written: str | tuple[str, int | str] | dict[str, object], address: tuple[str, int]
) -> None:
    [connection] = ours.GearmanClient([written]).connection_list

    assert connection.get_address() == address
    assert connection.use_ssl == isinstance(written, dict)
    assert not connection.connected


@pytest.mark.parametrize("written", ["a:1", [b"a:1"], [None], [{"host": "a", "port": 1}]])
def test_servers_written_in_another_way_are_an_error(written: list[str]) -> None:
    with pytest.raises(ours.errors.GearmanError, match="server"):
        ours.GearmanClient(written)


@pytest.mark.parametrize("written", ["a:b", "unix:/run/socket", "tls://a"])
def test_a_server_that_is_no_host_and_port_is_an_error(written: str) -> None:
    with pytest.raises(ValueError, match="port"):
        ours.GearmanClient([written])


def test_a_request_can_be_reset_and_printed() -> None:
    job = ours.GearmanJob(None, "H:a:1", "task", "unique", "data")
    request = ours.GearmanJobRequest(job, initial_priority=ours.PRIORITY_HIGH, background=True, max_attempts=2)
    request.state = ours.JOB_CREATED
    request.status = {"numerator": 1, "denominator": 2}

    assert request.complete
    assert (list(request.status_updates), request.server_status) == ([(1, 2)], request.status)
    assert "task='task'" in repr(request)
    assert job.to_dict() == {"task": "task", "job_handle": "H:a:1", "unique": "unique", "data": "data"}

    request.reset()

    assert (request.state, request.status, job.handle, request.unique) == (ours.JOB_UNKNOWN, {}, None, "unique")
    assert (request.max_connection_attempts, request.timed_out, request.status_updates) == (
        2,
        False,
        type(request.data_updates)(),
    )
