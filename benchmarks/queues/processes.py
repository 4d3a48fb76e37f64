# SPDX-License-Identifier: MIT
"""Processes of a contestant: clients, workers, and the memory of workers."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measured import BenchmarkError
from benchmarks.page import ROOT
from benchmarks.queues.place import Place

__all__ = ["Worker", "client", "working"]

_AGENT = ("-m", "benchmarks.queues.agent")
_TIMEOUT = 10.0  # seconds for a worker to end when asked
_LAST_WORDS = 600  # characters of a log: enough for the end of a traceback


class Worker:
    """A running worker, started and stopped by `working`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def check(self) -> None:
        """Raise if it has ended by itself."""
        if self._process.poll() is not None:
            raise BenchmarkError(f"the worker ended with status {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """Return the end of what it has logged."""
        return self._log.read_text(errors="replace").strip()[-_LAST_WORDS:]

    def pss_mib(self) -> float:
        """Return the memory of it and of the processes that it has started, each shared page counted in shares."""
        try:
            process = psutil.Process(self._process.pid)
            shares: list[int] = [each.memory_full_info().pss for each in [process, *process.children(recursive=True)]]
        except psutil.Error as error:
            raise BenchmarkError(f"the memory of the worker cannot be told: {error}") from error
        return sum(shares) / 2**20


@contextlib.contextmanager
def working(python: str, system: str, place: Place) -> Iterator[Worker]:
    """Run a worker for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [python, *_AGENT, system, "work"],
                cwd=ROOT,
                env=_environment(place),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield Worker(process, log)
        finally:
            _end(process)


def client(python: str, system: str, place: Place, verb: str, numbers: Sequence[float], patience: float) -> Any:
    """Run a client to its end, and return what it has measured."""
    words = [python, *_AGENT, system, verb, *map(str, numbers)]
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=_environment(place),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{verb} took more than {patience:g} seconds") from error
    if done.returncode:
        raise BenchmarkError(f"{verb} ended with status {done.returncode}: {done.stderr.strip()[-_LAST_WORDS:]}")
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise BenchmarkError(f"{verb} printed no figures: {done.stdout[-_LAST_WORDS:]!r}") from error


def _environment(place: Place) -> dict[str, str]:
    return {**os.environ, **place.environment()}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a worker, and kill its remaining processes."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_TIMEOUT)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
