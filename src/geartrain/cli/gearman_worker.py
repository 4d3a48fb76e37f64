# SPDX-License-Identifier: MIT
"""`gearman` as a worker (protocol 4.2).

What differs from the C tool, and why:

- The command is fed by a thread of its own, so that one that writes before it has read all cannot get stuck.
- With -n and -N each line goes out when it comes, and once; there, each packet repeats all lines before it.
- A command that cannot be run, or is killed by a signal, fails its job, and the client is told why in a warning; there,
  such jobs succeed.
- A server that is not there is waited for, with one line per outage instead of thousands a second.
- SIGINT and SIGTERM let the command finish; a second one does not. The command stands in a process group of its own, or
  the terminal's ^C would reach it as well.
- -t 0 does the jobs that wait and leaves; there, it is a loop without pause.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from ssl import SSLContext

from geartrain.cli.gearman_options import GearmanOptions
from geartrain.cli.output import complain, give_up_stdout
from geartrain.errors import JobFail
from geartrain.transport import ServerAddress
from geartrain.wording import counted
from geartrain.worker import AssignedJob, Reason, Worker

__all__ = ["CommandWorker"]


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

    def run(self) -> int:
        """Work until there is a reason to leave, and return the exit status."""
        timeout, count = self._options.timeout, self._options.count
        try:
            while True:
                worker = self._worker(count - self._rounds if count else None)
                if worker.run(burst=timeout == 0, idle_timeout=timeout or None) is not Reason.IDLE:
                    return self._status
                complain(f"no job came within {counted(timeout or 0.0, 'second')}")
                self._rounds += 1  # the C tool counts a timeout as well as a job
                if count and self._rounds >= count:
                    return 0
        finally:
            self._kill()

    def _worker(self, max_jobs: int | None) -> Worker:
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
            complain("nobody reads what is printed any more")
            give_up_stdout()
            self._status = 1
            worker.stop(grace=0.0)
            # Without an answer the job goes to another worker, as do those behind it.
            threading.Event().wait()
        return b""

    def _run_command(self, job: AssignedJob) -> bytes:
        command = self._options.words
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        except OSError as error:
            raise _failure(job, f"{command[0]}: {error.strerror or error}") from error
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
        complain(f"{command[0]} exited with status {status} for {job.handle}")
        raise JobFail(f"status {status}")

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
                os.killpg(process.pid, signal.SIGTERM)


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


def _failure(job: AssignedJob, message: str) -> JobFail:
    complain(f"{message} ({job.handle})")
    job.warning(f"{message}\n")
    return JobFail(message)
