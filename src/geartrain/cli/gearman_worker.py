# SPDX-License-Identifier: MIT
"""`gearman` as a worker (protocol 4.2).

Differences from the C tool:

- A thread writes to the command, so that a command that prints before it has read everything does not block.
- With -n and -N each line is sent once, when it is printed; the C tool repeats all earlier lines in each packet.
- If a command cannot be run, or is killed by a signal, its job fails, and the client gets the reason in a warning; in
  the C tool such jobs succeed.
- It prints one line for each outage of a server, and waits for it; the C tool prints thousands a second.
- SIGINT and SIGTERM let the command finish, a second one does not. The command has a process group of its own, so that
  Ctrl-C in the terminal does not reach it.
- It prints once that a server does not allow a function, and exits with 1 if no server allows any of its functions.
- -t 0 does the jobs that wait, and exits; in the C tool it is a loop without pause.
"""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from ssl import SSLContext

from geartrain.cli.gearman_options import GearmanOptions, servers_of
from geartrain.cli.output import discard_stdout, error, program_name
from geartrain.cli.servers import UnknownServer, client_tls, client_token
from geartrain.errors import Fail, GeartrainError
from geartrain.transport.address import ServerAddress
from geartrain.wording import counted
from geartrain.worker import AssignedJob, Reason, Worker

__all__ = ["prepare"]


def prepare(options: GearmanOptions) -> Callable[[], int]:
    """Return a function that does jobs as a command line says, and returns the exit status.

    Raises:
        ValueError: A server is not an address, or a file has no token.
        OSError: A file cannot be read.
        GeartrainError: There is no such port, or the token is not allowed.
    """
    tls = client_tls(os.environ).context() if options.tls else None
    token = client_token(options.token_file, os.environ)
    return partial(_run, options, servers_of(options, os.environ), tls, token)


def _run(options: GearmanOptions, servers: Sequence[ServerAddress], tls: SSLContext | None, token: str | None) -> int:
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(format=f"%(asctime)s {program_name()}: %(levelname)s: %(message)s", level=level)
    try:
        _check_names(servers)
        return CommandWorker(options, servers, tls, token).run()
    except GeartrainError as problem:
        error(str(problem))
        return 1


def _check_names(servers: Sequence[ServerAddress]) -> None:
    """Raise `UnknownServer` for a host that does not exist: a worker would wait for it without an end."""
    for server in servers:
        try:
            if not server.path:
                socket.getaddrinfo(server.host, server.port)
        except (OSError, UnicodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "this is not a valid host name"
            raise UnknownServer(f"{server}: {reason}") from problem


class CommandWorker:
    """Runs a command for each job, or prints the workload if there is none."""

    def __init__(
        self, options: GearmanOptions, servers: Sequence[ServerAddress], tls: SSLContext | None, token: str | None
    ) -> None:
        self._options = options
        self._servers = servers
        self._tls = tls
        self._token = token or ""
        self._rounds = 0  # jobs and timeouts
        self._process: subprocess.Popen[bytes] | None = None
        self._status = 0
        self._worker: Worker | None = None  # the one that runs
        self._not_allowed: set[str] = set()  # the lines of the log about it: one for each server and function
        self._is_not_allowed = False  # no server allows any function

    def run(self) -> int:
        """Work until there is a reason to leave, and return the exit status."""
        timeout, count = self._options.timeout, self._options.count
        logger = logging.getLogger("geartrain.worker")
        logger.addFilter(self._is_to_be_logged)
        try:
            while True:
                self._worker = worker = self._new_worker(count - self._rounds if count else None)
                reason = worker.run(burst=timeout == 0, idle_timeout=timeout or None)
                if self._is_not_allowed:
                    error("leaving, as no server allows this worker its functions")
                    return 1
                if reason is not Reason.IDLE:
                    return self._status
                error(f"no job came within {counted(timeout or 0.0, 'second')}")
                self._rounds += 1  # the C tool counts a timeout as well as a job
                if count and self._rounds >= count:
                    return 0
        finally:
            logger.removeFilter(self._is_to_be_logged)
            self._kill()

    def _is_to_be_logged(self, record: logging.LogRecord) -> bool:
        """Let a line that the server does not allow a function pass once; stop if it is so for all."""
        line = record.getMessage()
        if getattr(record, "code", "") != "NOT_ALLOWED":
            return True
        if line in self._not_allowed:
            return False
        self._not_allowed.add(line)
        if len(self._not_allowed) == len(set(self._options.functions)) * len(set(self._servers)):
            self._is_not_allowed = True
            assert self._worker is not None, "a worker logs"
            self._worker.stop()
        return True

    def _new_worker(self, max_jobs: int | None) -> Worker:
        worker = Worker(self._servers, tls=self._tls, token=self._token, max_jobs=max_jobs)
        for function in self._options.functions:
            worker.add_function(os.fsencode(function), partial(self._do, worker))
        return worker

    def _do(self, worker: Worker, job: AssignedJob) -> bytes:
        self._rounds += 1
        return self._run_command(job) if self._options.words else self._print(worker, job)

    def _print(self, worker: Worker, job: AssignedJob) -> bytes:
        try:
            sys.stdout.buffer.write(job.workload)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            error("standard output is closed")
            discard_stdout()
            self._status = 1
            worker.stop(grace=0.0)
            # Without an answer the job goes to another worker, as do those behind it.
            threading.Event().wait()
        return b""

    def _run_command(self, job: AssignedJob) -> bytes:
        command = self._options.words
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        except OSError as problem:
            raise _failure(job, f"{command[0]}: {problem.strerror or problem}") from problem
        self._process = process
        with process:
            feeder = threading.Thread(target=_feed, args=(process, job.workload), daemon=True)
            feeder.start()
            output = self._collect(process, job)
            feeder.join()
        self._process = None
        status = process.returncode
        if status == 0:
            return output
        if output:
            job.data(output)
        if status < 0:
            raise _failure(job, f"{command[0]} was killed by {_signal_name(-status)}")
        error(f"{command[0]} exited with status {status} for {job.handle}")
        raise Fail  # without a reason, as the C tool does

    def _collect(self, process: subprocess.Popen[bytes], job: AssignedJob) -> bytes:
        """Return what a command prints, or send it line by line and return nothing."""
        assert process.stdout is not None, "it was opened as a pipe"
        if not self._options.lines:
            return process.stdout.read()
        for line in process.stdout:
            job.data(line.removesuffix(b"\n") if self._options.strip else line)
        return b""

    def _kill(self) -> None:
        """End a command whose job has been handed back."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGTERM)
                else:  # on Windows
                    process.terminate()


def _feed(process: subprocess.Popen[bytes], workload: bytes) -> None:
    assert process.stdin is not None, "it was opened as a pipe"
    # A command need not read all, or anything, of its input.
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(workload)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        return f"signal {number}"


def _failure(job: AssignedJob, message: str) -> Fail:
    error(f"{message} ({job.handle})")
    job.warning(f"{message}\n")
    return Fail()
