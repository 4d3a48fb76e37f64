# SPDX-License-Identifier: MIT
"""The effect of attacks: the time of an echo, the number of jobs done, and the memory of the server."""

import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Final

from geartrain.protocol import RESPONSE, Command, request
from tests.attacks.attacks import ON_MEMORY, ON_TIME
from tests.attacks.careful import Careful
from tests.packets import Packets
from tests.soak.watch import memory_mib

__all__ = ["ATTACKS", "Effect", "Measuring"]

ATTACKS: Final = {**ON_MEMORY, **ON_TIME}

_PAUSE: Final = 0.005  # seconds between two echoes
_ROUND: Final = 0.01  # seconds in which a process computes for its part of them
_FORK: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of an attack, or of a program that only computes.

    Attributes:
        attack: The name of the attack, or of the one that used as much of a core.
        seconds: The time that was measured.
        core: The part of a core that the attacker used.
        echoes: The time in seconds that each echo of another peer took.
        jobs: Number of jobs of another client that were done.
        memory_mib: The highest memory of the server.
    """

    attack: str
    seconds: float
    core: float
    echoes: list[float]
    jobs: int
    memory_mib: float

    @property
    def rate(self) -> float:
        """Jobs per second."""
        return self.jobs / self.seconds

    @property
    def slow_echo(self) -> float:
        """The time that 99 of 100 echoes do not exceed, in seconds."""
        return statistics.quantiles(self.echoes, n=100)[98]


class Measuring:
    """A client, a worker and an attacker, each in a process, and a peer here that asks for echoes.

    Args:
        careful: The configuration of the server.
        port: Its port.
        pid: Its process.
    """

    def __init__(self, careful: Careful, port: int, pid: int) -> None:
        self._pid = pid
        self._done: Synchronized[int] = _FORK.Value("q", 0)
        ours, theirs = _FORK.Pipe()
        self._orders = ours
        self._processes = [
            _FORK.Process(target=_work, args=(careful, port), daemon=True),
            _FORK.Process(target=_ask, args=(careful, port, self._done), daemon=True),
            _FORK.Process(target=_attack, args=(careful, port, theirs), daemon=True),
        ]
        self._peer = careful.submitter(port)

    def __enter__(self) -> "Measuring":
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()
        self._peer.close()

    @property
    def faults(self) -> list[str]:
        """The processes that have ended: a well-behaved peer was disconnected."""
        names = ("worker", "client", "attacker")
        return [
            f"the {name} has ended" for name, each in zip(names, self._processes, strict=True) if not each.is_alive()
        ]

    def measure(self, attack: str, seconds: float, core: float | None = None) -> Effect:
        """Attack for some seconds, and return the effect.

        Args:
            attack: The name of the attack.
            seconds: The time, which the end of the attack may exceed.
            core: Do not attack; only compute, with this part of a core.
        """
        begun, jobs = time.monotonic(), self._done.value
        echoes: list[float] = []
        highest = 0.0
        self._orders.send((attack, seconds, core))
        while not self._orders.poll():
            echoes.append(self._echo())
            highest = max(highest, memory_mib(self._pid) or 0.0)
            time.sleep(_PAUSE)
        computed = self._orders.recv()
        lasted = time.monotonic() - begun
        return Effect(attack, lasted, computed / lasted, echoes, self._done.value - jobs, highest)

    def _echo(self) -> float:
        begun = time.monotonic()
        self._peer.sendall(request(Command.ECHO_REQ, b"x"))
        if not self._peer.recv(100):
            raise ConnectionResetError("a peer that only asks for echoes was disconnected")
        return time.monotonic() - begun


def _attack(careful: Careful, port: int, orders: Connection) -> None:
    """Attack, or only compute, as it is ordered; answer with the seconds of a core that this took."""
    while True:
        name, seconds, core = orders.recv()
        computed = time.process_time()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if core is not None:
                _compute(core)
            else:
                with contextlib.suppress(OSError):
                    ATTACKS[name](careful, port)
        orders.send(time.process_time() - computed)


def _compute(core: float) -> None:
    """Use a part of a core for a moment."""
    begun, end = time.monotonic(), time.process_time() + core * _ROUND
    while time.process_time() < end:
        pass
    time.sleep(max(begun + _ROUND - time.monotonic(), 0.0))


def _work(careful: Careful, port: int) -> None:
    """Do the jobs of the client."""
    with careful.worker(port) as worker:
        grab = request(Command.GRAB_JOB)
        worker.sendall(request(Command.CAN_DO, b"mail:honest") + grab)
        for command, arguments in _packets(worker.recv):
            if command == Command.JOB_ASSIGN:
                worker.sendall(request(Command.WORK_COMPLETE, arguments[0], b"") + grab)
            elif command == Command.NO_JOB:
                worker.sendall(request(Command.PRE_SLEEP))
            elif command == Command.NOOP:
                worker.sendall(grab)


def _ask(careful: Careful, port: int, done: "Synchronized[int]") -> None:
    """Submit one job after the other, each again if it is rejected."""
    with careful.submitter(port) as client:
        submit = request(Command.SUBMIT_JOB, b"mail:honest", b"", b"x" * 100)
        client.sendall(submit)
        for command, _ in _packets(client.recv):
            if command != Command.JOB_CREATED:
                with done.get_lock():
                    done.value += command == Command.WORK_COMPLETE
                client.sendall(submit)


def _packets(receive: Callable[[int], bytes]) -> Iterator[tuple[int, list[bytes]]]:
    packets = Packets(RESPONSE)
    while data := receive(65536):
        yield from packets.receive(data)
