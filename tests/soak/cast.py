# SPDX-License-Identifier: MIT
"""Who takes part in a soak: clients and workers of several kinds, each a process that can be hit."""

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

from tests.soak.ledger import Blow

__all__ = ["Actor", "Part", "cast"]

_AGENTS = Path(__file__).with_name("agents")
_ROOT = Path(__file__).parents[2]
_GEARMAN = "/usr/bin/gearman"
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of agent.

    Attributes:
        name: What its actors are called, with a number behind it.
        command: How it is run; the server's address, the ledger and the actor's name follow.
        is_worker: Whether it does jobs, rather than asks for them.
        needs: A command that has to succeed where this kind can take part.
        is_spared: Nobody hits it, so that it shows what stays when it lives long.
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
_PARTS = (
    Part("blocking-client", _python("blocking", "client"), is_worker=False),
    Part("asyncio-client", _python("aio", "client"), is_worker=False),
    Part("raw-client", _python("raw", "client"), is_worker=False),
    Part("libgearman-client", _python("tool", _GEARMAN), is_worker=False, needs=_TOOL),
    Part("php-client", ("php", str(_AGENTS / "client.php")), is_worker=False, needs=_PHP),
    Part("perl-client", ("perl", str(_AGENTS / "client.pl")), is_worker=False, needs=_PERL),
    Part("blocking-worker", _python("blocking", "worker"), is_worker=True),
    Part("asyncio-worker", _python("aio", "worker"), is_worker=True),
    Part("raw-worker", _python("raw", "worker"), is_worker=True),
    Part("libgearman-worker", (str(_AGENTS / "tool-worker.sh"), _GEARMAN), is_worker=True, needs=_TOOL),
    Part("php-worker", ("php", str(_AGENTS / "worker.php")), is_worker=True, needs=_PHP),
    Part("perl-worker", ("perl", str(_AGENTS / "worker.pl")), is_worker=True, needs=_PERL),
    Part("old-blocking-worker", _python("blocking", "worker"), is_worker=True, is_spared=True),
    Part("old-asyncio-client", _python("aio", "client"), is_worker=False, is_spared=True),
)


@dataclass(slots=True)
class Actor:
    """Who plays a part, and another one when that one is dead.

    Attributes:
        part: What it does.
        words: The server's address and the ledger.
        blows: Everything that happens to it is noted there.
        again_at: When it is to go on or to be replaced, on the monotonic clock; None while it does well.
    """

    part: Part
    words: Sequence[str]
    blows: list[Blow]
    again_at: float | None = None
    _count: int = 0
    _is_stopped: bool = False
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The name of the one who plays it now."""
        return f"{self.part.name}.{self._count}"

    @property
    def pid(self) -> int | None:
        """Its process, if it has one."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Enter."""
        self._count += 1
        self.again_at = None
        self._process = subprocess.Popen(
            [*self.part.command, *self.words, self.name],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that what it has started is hit with it
        )
        self._note("started")

    def hit(self, how: signal.Signals, seconds: float) -> None:
        """Kill, end or stop it, for so many seconds."""
        self._note({signal.SIGKILL: "killed", signal.SIGTERM: "ended", signal.SIGSTOP: "stopped"}[how])
        self._signal(how)
        self.again_at = time.monotonic() + seconds
        self._is_stopped = how is signal.SIGSTOP

    def go_on(self) -> None:
        """Do what was to be done at `again_at`: go on, or be replaced."""
        if self._is_stopped:
            self._is_stopped = False
            self.again_at = None
            self._signal(signal.SIGCONT)
        else:
            self.end(signal.SIGKILL)  # one who was asked to, and did not yet
            self.leave()
            self.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, or kill it."""
        if self._process is not None and self._process.poll() is None:
            self._note("killed" if how is signal.SIGKILL else "ended")
            self._signal(signal.SIGCONT)
            self._signal(how)

    def leave(self) -> None:
        """Return when it has ended, or has been killed because it did not."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _note(self, what: str) -> None:
        self.blows.append(Blow(time.time(), self.name, what))

    def _signal(self, how: signal.Signals) -> None:
        assert self._process is not None, "it has entered"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)


def cast(server: str, ledger: Path, blows: list[Blow]) -> tuple[list[Actor], list[str]]:
    """Return an actor for each part that can be played on this machine, and the names of the others."""
    missing = [part.name for part in _PARTS if not _is_there(part)]
    actors = [Actor(part, (server, str(ledger)), blows) for part in _PARTS if part.name not in missing]
    return actors, missing


def _is_there(part: Part) -> bool:
    program = shutil.which(part.needs[0])
    return program is not None and subprocess.run(part.needs, capture_output=True, check=False).returncode == 0
