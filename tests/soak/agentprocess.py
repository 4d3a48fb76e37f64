# SPDX-License-Identifier: MIT
"""The agents of a soak test: clients and workers of several kinds, each a process that can be disturbed."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.ledger import Disturbance

__all__ = ["AgentProcess", "AgentKind", "prepare_agents"]

_AGENTS = Path(__file__).with_name("agents")
_ROOT = Path(__file__).parents[2]
_GEARMAN = "/usr/bin/gearman"
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class AgentKind:
    """A kind of agent.

    Attributes:
        name: The name of its agents, without the number.
        command: The command; the server's address, the ledger and the agent's name are appended.
        is_worker: True for workers, False for clients.
        needs: A command that succeeds if this kind can run on the machine.
        is_spared: It is never disturbed, so that a leak of memory in a long run would show.
    """

    name: str
    command: tuple[str, ...]
    is_worker: bool
    needs: tuple[str, ...] = ("true",)
    is_spared: bool = False


def _python(module: str, *words: str) -> tuple[str, ...]:
    return sys.executable, "-m", f"tests.soak.agents.{module}", *words


_PHP = ("php", "-r", "exit(extension_loaded('gearman') ? 0 : 1);")
_PERL = ("perl", "-MGearman::Client", "-MGearman::Worker", "-e", "1")
_TOOL = ("test", "-x", _GEARMAN)
_KINDS = (
    AgentKind("blocking-client", _python("blocking", "client"), is_worker=False),
    AgentKind("asyncio-client", _python("aio", "client"), is_worker=False),
    AgentKind("raw-client", _python("raw", "client"), is_worker=False),
    AgentKind("libgearman-client", _python("tool", _GEARMAN), is_worker=False, needs=_TOOL),
    AgentKind("php-client", ("php", str(_AGENTS / "client.php")), is_worker=False, needs=_PHP),
    AgentKind("perl-client", ("perl", str(_AGENTS / "client.pl")), is_worker=False, needs=_PERL),
    AgentKind("blocking-worker", _python("blocking", "worker"), is_worker=True),
    AgentKind("asyncio-worker", _python("aio", "worker"), is_worker=True),
    AgentKind("raw-worker", _python("raw", "worker"), is_worker=True),
    AgentKind("libgearman-worker", (str(_AGENTS / "tool-worker.sh"), _GEARMAN), is_worker=True, needs=_TOOL),
    AgentKind("php-worker", ("php", str(_AGENTS / "worker.php")), is_worker=True, needs=_PHP),
    AgentKind("perl-worker", ("perl", str(_AGENTS / "worker.pl")), is_worker=True, needs=_PERL),
    AgentKind("old-blocking-worker", _python("blocking", "worker"), is_worker=True, is_spared=True),
    AgentKind("old-asyncio-client", _python("aio", "client"), is_worker=False, is_spared=True),
)


@dataclass(slots=True)
class AgentProcess:
    """An agent, which is started again when its process has ended.

    Attributes:
        kind: Its kind.
        words: The server's address and the ledger.
        disturbances: The list to which its starts and disturbances are added.
        resume_at: The monotonic time at which it continues or is replaced; None while it runs.
    """

    kind: AgentKind
    words: Sequence[str]
    disturbances: list[Disturbance]
    resume_at: float | None = None
    _count: int = 0
    _is_stopped: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The name of its current process."""
        return f"{self.kind.name}.{self._count}"

    @property
    def pid(self) -> int | None:
        """The id of its current process, if there is one."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start a process."""
        self._count += 1
        self.resume_at = None
        self._process = subprocess.Popen(
            [*self.kind.command, *self.words, self.name],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # signals reach its children too
        )
        self._note("started")

    def disturb(self, how: signal.Signals, seconds: float) -> None:
        """Kill, terminate or stop its process; continue or replace it after so many seconds."""
        self._note({signal.SIGKILL: "killed", signal.SIGTERM: "ended", signal.SIGSTOP: "stopped"}[how])
        self._signal(how)
        self.resume_at = time.monotonic() + seconds
        self._is_stopped = how is signal.SIGSTOP

    def resume(self) -> None:
        """Continue a stopped process, or replace an ended one."""
        if self._is_stopped:
            self._is_stopped = False
            self.resume_at = None
            self._signal(signal.SIGCONT)
        else:
            self.end(signal.SIGKILL)  # it may not have obeyed SIGTERM yet
            self.leave()
            self.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Terminate its process, or kill it."""
        if self._process is not None and self._process.poll() is None:
            self._note("killed" if how is signal.SIGKILL else "ended")
            self._signal(signal.SIGCONT)
            self._signal(how)

    def leave(self) -> None:
        """Wait until its process has ended, and kill it if it does not."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_TIMEOUT)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _note(self, what: str) -> None:
        self.disturbances.append(Disturbance(time.time(), self.name, what))

    def _signal(self, how: signal.Signals) -> None:
        assert self._process is not None, "it was started"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)


def prepare_agents(server: str, ledger: Path, disturbances: list[Disturbance]) -> tuple[list[AgentProcess], list[str]]:
    """Return an agent of each kind that can run on this machine, and the names of the other kinds."""
    missing = [kind.name for kind in _KINDS if not _can_run(kind)]
    agents = [AgentProcess(kind, (server, str(ledger)), disturbances) for kind in _KINDS if kind.name not in missing]
    return agents, missing


def _can_run(kind: AgentKind) -> bool:
    program = shutil.which(kind.needs[0])
    return program is not None and subprocess.run(kind.needs, capture_output=True, check=False).returncode == 0
