# SPDX-License-Identifier: MIT
"""Jobs in processes: what dies, what lives on, and what is left behind."""

import contextlib
import ctypes
import errno
import faulthandler
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from geartrain import AssignedJob, Client, Data, JobException, JobFailed, Priority, SubmittedJob, Worker
from geartrain.errors import GeartrainError
from geartrain.protocol import Command
from geartrain.testing import run_server
from geartrain.transport import Backoff
from geartrain.worker import WorkerOptions
from geartrain.worker.forkserver import ChildProcess, ForkServer
from geartrain.worker.functions import Function
from geartrain.worker.session import Assignment
from geartrain.worker.sync.calls import Call
from geartrain.worker.sync.process import ProcessExecutor, serve_jobs
from tests.worker.shells import PATIENCE, Gate, working

AT_ONCE = Backoff(first=0.0, longest=0.0)

# Python 3.12 and later warn of a fork in a process with threads; tests have some.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


def said_by(job: SubmittedJob) -> int:
    """Return the number that a job sends."""
    event = next(iter(job))
    assert isinstance(event, Data)
    return int(event.data)


def whoami(job: AssignedJob) -> str:
    return str(os.getpid())


def wait_for_the_end_of(process: int) -> None:
    """Return when a process is gone that need not be a child of ours."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], PATIENCE)[0], f"process {process} is still there"
    finally:
        os.close(descriptor)


def note(file: Path) -> int:
    """Count a run of a job in a file, and return the number of runs."""
    with file.open("a") as runs:
        runs.write(".")
    return len(file.read_text())


def runs(file: Path) -> int:
    return len(file.read_text())


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(3)


def crash() -> None:
    faulthandler.disable()  # the one of pytest, which would print a traceback
    ctypes.string_at(0)


@pytest.mark.parametrize(
    ("end", "how"), [(kill, "was killed by SIGKILL"), (leave, "exited with status 3"), (crash, "was killed by SIGSEGV")]
)
def test_by_option_a_process_that_dies_fails_its_own_job_and_another_takes_its_place(
    address: str, client: Client, gate: Gate, end: Callable[[], None], how: str
) -> None:
    worker = Worker(address, executor="process", concurrency=2, on_process_death="fail")

    @worker.function
    def f(job: AssignedJob) -> str:
        if job.text == "die":
            job.data("last words")
            end()
        gate.wait()
        return job.text

    with working(worker):
        beside = client.submit("f", "lives")
        dying = client.submit("f", "die")

        with pytest.raises(JobException) as caught:
            dying.result(PATIENCE)
        gate.open()

        assert caught.value.text == f"ProcessDied: the process that did the job {how}"
        assert beside.result(PATIENCE) == b"lives"
        assert [client.do("f", text, timeout=PATIENCE) for text in ("a", "b", "c")] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("end", [kill, leave, crash])
def test_a_job_whose_process_dies_goes_to_another_worker(
    address: str, client: Client, tmp_path: Path, end: Callable[[], None]
) -> None:
    worker = Worker(address, executor="process", backoff=AT_ONCE)

    @worker.function
    def f(job: AssignedJob) -> str:
        if note(tmp_path / "runs") == 1:
            end()
        return "done"

    foreground = client.submit("f")
    with working(worker):
        assert foreground.result(PATIENCE) == b"done"
    assert runs(tmp_path / "runs") == 2


def test_a_background_job_whose_process_is_killed_runs_again(
    address: str, client: Client, tmp_path: Path, gate: Gate
) -> None:
    worker = Worker(address, executor="process", backoff=AT_ONCE)

    @worker.function
    def f(job: AssignedJob) -> None:
        if note(tmp_path / "runs") == 1:
            kill()
        gate.open()

    client.submit_background("f")
    with working(worker):
        gate.wait()
    assert runs(tmp_path / "runs") == 2


def test_a_process_that_dies_disturbs_no_other_job_of_its_worker(address: str, client: Client, tmp_path: Path) -> None:
    """The worker takes new jobs meanwhile, by another connection."""
    worker = Worker(address, executor="process", concurrency=2, backoff=AT_ONCE)
    with Gate() as beside_may_end:

        @worker.function
        def f(job: AssignedJob) -> str:
            number = note(tmp_path / job.text)
            job.data("has begun, ")
            if job.text == "die" and number == 1:
                kill()
            if job.text == "beside":
                beside_may_end.wait()
            return job.text

        with working(worker), contextlib.ExitStack() as in_any_case:
            in_any_case.callback(beside_may_end.open)
            beside = client.submit("f", "beside")
            assert isinstance(next(iter(beside)), Data)
            dying = client.submit("f", "die")
            assert isinstance(next(iter(dying)), Data)

            assert client.do("f", "new", timeout=PATIENCE).endswith(b"new")
            assert not beside.done()
            beside_may_end.open()

            assert beside.result(PATIENCE).endswith(b"beside")
            assert dying.result(PATIENCE).endswith(b"die")
    assert {name: runs(tmp_path / name) for name in ("beside", "die", "new")} == {"beside": 1, "die": 2, "new": 1}


def test_a_job_that_kills_its_process_each_time_ends_with_the_attempts_of_the_server(tmp_path: Path) -> None:
    with run_server(job_retries=3) as server, Client(server.address) as client:
        worker = Worker(server.address, executor="process", backoff=AT_ONCE)

        @worker.function
        def f(job: AssignedJob) -> None:
            note(tmp_path / "runs")
            kill()

        worker.add_function("whoami", whoami)
        with working(worker):
            with pytest.raises(JobFailed):
                client.do("f", timeout=PATIENCE)
            assert client.do("whoami", timeout=PATIENCE)
    assert runs(tmp_path / "runs") == 3


def test_a_process_that_dies_between_jobs_fails_none(address: str, client: Client) -> None:
    worker = Worker(address, executor="process")
    worker.add_function("whoami", whoami)

    with working(worker):
        first = int(client.do("whoami", timeout=PATIENCE))
        os.kill(first, signal.SIGKILL)
        wait_for_the_end_of(first)

        assert int(client.do("whoami", timeout=PATIENCE)) not in (first, os.getpid())


def test_a_process_that_dies_is_found_out_although_another_one_holds_its_socket(address: str, client: Client) -> None:
    worker = Worker(address, executor="process", on_process_death="fail")

    @worker.function
    def f(job: AssignedJob) -> None:
        grandchild = os.fork()
        if grandchild == 0:
            select.select([], [], [], PATIENCE)
            os._exit(0)
        job.data(str(grandchild))
        os._exit(1)

    with working(worker):
        job = client.submit("f")
        grandchild = said_by(job)
        try:
            with pytest.raises(JobException, match="exited with status 1"):
                job.result(PATIENCE)
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_the_death_of_the_fork_server_ends_neither_the_worker_nor_a_running_job(
    address: str, client: Client, gate: Gate, tmp_path: Path
) -> None:
    worker = Worker(address, executor="process")
    worker.add_function("whoami", whoami)

    @worker.function
    def f(job: AssignedJob) -> str:
        note(tmp_path / "runs")
        job.data(str(os.getppid()))
        gate.wait()
        return "done"

    with working(worker):
        running = client.submit("f")
        fork_server = said_by(running)
        os.kill(fork_server, signal.SIGKILL)
        wait_for_the_end_of(fork_server)
        gate.open()

        assert running.result(PATIENCE) == b"done"
        assert runs(tmp_path / "runs") == 1
        assert client.do("whoami", timeout=PATIENCE) == client.do("whoami", timeout=PATIENCE)


def test_a_process_that_dies_after_its_fork_server_is_a_lost_worker_as_well(
    address: str, client: Client, tmp_path: Path
) -> None:
    worker = Worker(address, executor="process", backoff=AT_ONCE)

    @worker.function
    def f(job: AssignedJob) -> str:
        if note(tmp_path / "runs") == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            kill()
        return "done"

    with working(worker):
        assert client.do("f", timeout=PATIENCE) == b"done"
    assert runs(tmp_path / "runs") == 2


def test_a_closure_is_known_and_one_process_does_many_jobs(address: str, client: Client) -> None:
    worker = Worker(address, executor="process")
    local = ["not", "global"]
    worker.add_function("f", lambda job: f"{os.getpid()} {local}")

    with working(worker):
        answers = {client.do("f", timeout=PATIENCE) for _ in range(10)}

    [answer] = answers
    assert answer.decode().endswith(" ['not', 'global']")


def test_a_job_that_outlasts_the_grace_is_killed(address: str, client: Client, gate: Gate) -> None:
    worker = Worker(address, executor="process")

    @worker.function
    def f(job: AssignedJob) -> None:
        job.data(str(os.getpid()))
        gate.wait()

    with working(worker):
        job = client.submit("f")
        child = said_by(job)
        worker.stop(grace=0.0)
        wait_for_the_end_of(child)

    second = Worker(address, max_jobs=1)
    second.add_function("f", lambda job: b"second")
    second.run()
    assert job.result(PATIENCE) == b"second"


def test_a_job_that_hangs_is_killed_with_the_programs_that_it_started(address: str, client: Client) -> None:
    """Also if one of them holds its socket and its output open; the slot does the next job."""
    worker = Worker(address, executor="process")
    worker.add_function("whoami", whoami)

    @worker.function(timeout=0.1)
    def hang(job: AssignedJob) -> None:
        program = subprocess.Popen(["sleep", "600"], close_fds=False)
        job.data(f"{os.getpid()} {program.pid}")
        program.wait()

    with working(worker):
        job = client.submit("hang")
        event = next(iter(job))
        assert isinstance(event, Data)
        for process in event.data.split():
            wait_for_the_end_of(int(process))
        assert client.do("whoami", priority=Priority.HIGH, timeout=PATIENCE) != event.data.split()[0]
        worker.stop(grace=0.0)


def test_a_whole_run_warns_of_nothing(address: str, client: Client) -> None:
    """Neither of a fork among threads, which later Pythons complain of, nor of anything left open."""
    program = PROGRAM.replace("concurrency=2", "concurrency=2, max_jobs=4")
    jobs = [client.submit("sockets") for _ in range(4)]

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, address], capture_output=True, text=True, timeout=PATIENCE
    )

    assert done.returncode == 0
    [started] = done.stderr.splitlines()
    assert started.endswith(f"servers {address}, functions f, sockets")
    assert {job.result(PATIENCE) for job in jobs} == {b"1"}


def test_a_fork_server_that_was_killed_is_replaced() -> None:
    fork_server = ForkServer(say_parent)
    first = parent_of(fork_server.spawn())
    os.kill(first, signal.SIGKILL)
    wait_for_the_end_of(first)

    assert parent_of(fork_server.spawn()) != first
    assert parent_of(fork_server.spawn()) != first
    fork_server.close()


def test_a_fork_server_whose_supervisor_was_killed_too_forks_no_more() -> None:
    fork_server = ForkServer(say_parent)
    last = parent_of(fork_server.spawn())
    for process in (fork_server.pid, last):
        os.kill(process, signal.SIGKILL)
        wait_for_the_end_of(process)

    with pytest.raises(GeartrainError, match="has ended"):
        fork_server.spawn()
    fork_server.close()


class Exhausted(ForkServer):
    """A fork server on a machine that has no descriptors left, for some time."""

    failures = 1

    def spawn(self) -> ChildProcess:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().spawn()


def test_a_job_without_descriptors_fails_and_the_next_one_is_done() -> None:
    options = WorkerOptions(executor="process", concurrency=1)
    function: Function[Call] = Function("f", b"f", lambda job: b"done", None)
    functions = {b"f": function}
    fork_server = Exhausted(partial(serve_jobs, functions, options))
    executor = ProcessExecutor(fork_server, exceptions=True, gives_back=False)
    endings = []
    for _ in range(2):
        job = AssignedJob(Assignment(b"H:1", b"f", b"", b"", b""), function, options, lambda report: None)
        executor.do(job, function)
        endings.append(job.ending)
    executor.leave()
    fork_server.close()

    [(exception, failure), done] = endings
    assert exception[0] is Command.WORK_EXCEPTION
    assert isinstance(exception[-1], bytes)
    assert exception[-1].endswith(b"\0OSError: [Errno 24] Too many open files")
    assert (failure, done) == ((Command.WORK_FAIL,), ((Command.WORK_COMPLETE, b"done"),))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limits of another process are set by Linux alone")
def test_a_fork_server_without_descriptors_forks_again_later() -> None:
    fork_server = ForkServer(say_parent)
    process = parent_of(fork_server.spawn())
    limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (3, limits[1]))  # the standard ones
    assert end_of(fork_server.spawn()) == b""
    resource.prlimit(process, resource.RLIMIT_NOFILE, limits)

    assert end_of(fork_server.spawn()) == b"0"
    fork_server.close()


def end_of(child: ChildProcess) -> bytes:
    """Let a child exit, and return its exit status, empty if it was never forked."""
    with contextlib.suppress(OSError):
        child.sock.sendall(b"!")
    status = os.read(child.exit_pipe, 100)
    child.close()
    return status


def say_parent(sock: socket.socket) -> None:
    """Send the process id of the fork server, and wait."""
    sock.sendall(b"%d\n" % os.getppid())
    sock.recv(1)


def parent_of(child: ChildProcess) -> int:
    """Return the process id that a child sends, and let it exit."""
    with child.sock.makefile("rb") as lines:
        parent = int(lines.readline())
    end_of(child)
    return parent


def test_the_death_of_the_fork_server_differs_from_that_of_a_child() -> None:
    fork_server = ForkServer(say_parent)
    child = fork_server.spawn()
    os.kill(int(child.sock.recv(100)), signal.SIGKILL)

    assert os.read(child.exit_pipe, 100) == b""
    child.close()
    fork_server.close()


# A worker that says who does a job and who forked that, and ends the job when it is told to.
PROGRAM = """
import os, sys
from geartrain import Worker

worker = Worker(sys.argv[1], executor="process", concurrency=2)

@worker.function
def f(job):
    print(os.getpid(), os.getppid(), flush=True)
    return os.read(0, 100).strip()

@worker.function
def sockets(job):
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass  # the descriptor with which the folder was read
    return str(sum(link.startswith("socket:") for link in links))

worker.run()
"""


@pytest.fixture
def program(address: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker in a process, and a process group, of its own."""
    command = [sys.executable, "-c", PROGRAM, address]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_processes_end_with_a_worker_that_is_killed(program: "subprocess.Popen[str]", client: Client) -> None:
    assert program.stdout is not None
    client.submit_background("f")
    child, fork_server = map(int, program.stdout.readline().split())
    assert fork_server != program.pid

    program.kill()

    wait_for_the_end_of(child)
    wait_for_the_end_of(fork_server)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_lets_the_jobs_be_finished(
    program: "subprocess.Popen[str]", client: Client, number: signal.Signals
) -> None:
    assert program.stdin is not None
    assert program.stdout is not None
    job = client.submit("f")
    child, fork_server = map(int, program.stdout.readline().split())

    os.killpg(program.pid, number)
    program.stdin.write("finished\n")
    program.stdin.flush()

    assert job.result(PATIENCE) == b"finished"
    assert program.wait(PATIENCE) == 0
    wait_for_the_end_of(child)
    wait_for_the_end_of(fork_server)


def test_a_process_has_no_socket_but_its_own(program: "subprocess.Popen[str]", client: Client) -> None:
    jobs = [client.submit("sockets") for _ in range(20)]

    assert {job.result(PATIENCE) for job in jobs} == {b"1"}
