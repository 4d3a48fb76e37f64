# SPDX-License-Identifier: MIT
"""Attacks by valid packets: on the memory of a server, and on the time of its turns.

Each opens its own connections, sends without reading what comes back, and closes them. A connection that the server
drops, or does not read from any more, ends the attack.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from geartrain.protocol import RESPONSE, Command, request
from tests.attacks.careful import Careful
from tests.packets import Packets

__all__ = ["ON_MEMORY", "ON_TIME", "Attack"]

_BLOCKED: Final = 0.5  # seconds for which the server does not read from an attacker
_MIB: Final = 1 << 20
_LONG_NAMES: Final = [b"mail:%04d" % number + b"n" * 7_900 for number in range(1_200)]
_NAMES: Final = [b"mail:%d" % number for number in range(900)]

Attack: TypeAlias = Callable[[Careful, int], None]


@contextlib.contextmanager
def _attackers(connect: Callable[[int], ssl.SSLSocket], port: int, count: int) -> Iterator[list[ssl.SSLSocket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(port)) for _ in range(count)]


def _push(peer: socket.socket, data: bytes, times: int = 1) -> None:
    """Send data several times, until it is not taken any more."""
    peer.settimeout(_BLOCKED)
    with contextlib.suppress(OSError):
        for _ in range(times):
            peer.sendall(data)


def _handle(peer: socket.socket, packet: bytes) -> bytes:
    """Send a packet, and return the first argument of the answer."""
    peer.sendall(packet)
    packets = Packets(RESPONSE)
    while data := peer.recv(65536):
        for _, arguments in packets.receive(data):
            return arguments[0] if arguments else b""
    raise ConnectionResetError("the server has dropped the connection")


def _submit(number: int, function: bytes = b"mail:f", workload: bytes = b"") -> bytes:
    return request(Command.SUBMIT_JOB, function, b"%d" % number, workload)


def shared_results(careful: Careful, port: int) -> None:
    """A megabyte of data for a job that four clients have submitted 900 times each."""
    with _attackers(careful.submitter, port, 4) as clients, _attackers(careful.worker, port, 1) as [worker]:
        handle = _handle(clients[0], _submit(1))
        for client in clients:
            _push(client, _submit(1) * 900)
        _push(worker, request(Command.CAN_DO, b"mail:f") + request(Command.GRAB_JOB))
        _push(worker, request(Command.WORK_DATA, handle, bytes(_MIB)), 4)


def shared_results_below_the_limit_of_a_connection(careful: Careful, port: int) -> None:
    """The same for 150 submissions of each, so that no client exceeds ``--max-unsent``."""
    with _attackers(careful.submitter, port, 4) as clients, _attackers(careful.worker, port, 1) as [worker]:
        handle = _handle(clients[0], _submit(1))
        for client in clients:
            _push(client, _submit(1) * 150)
        _push(worker, request(Command.CAN_DO, b"mail:f") + request(Command.GRAB_JOB))
        _push(worker, request(Command.WORK_COMPLETE, handle, bytes(_MIB)))


def half_packets(careful: Careful, port: int) -> None:
    """All but the last byte of twelve of the largest packets."""
    size = careful.max_packet_mib * _MIB - 100
    packet = request(Command.SUBMIT_JOB, b"mail:f", b"", bytes(size))
    with _attackers(careful.submitter, port, 12) as clients:
        for client in clients:
            _push(client, packet[:-1])


def unread_echoes(careful: Careful, port: int) -> None:
    """Echoes that are not read, on connections each of which is below every limit."""
    with _attackers(careful.submitter, port, 12) as clients:
        for client in clients:
            _push(client, request(Command.ECHO_REQ, bytes(60_000)), 400)


def unread_workloads(careful: Careful, port: int) -> None:
    """Large workloads that a worker grabs and does not read."""
    with _attackers(careful.submitter, port, 1) as [client], _attackers(careful.worker, port, 3) as workers:
        _push(client, b"".join([_submit(number, workload=bytes(_MIB)) for number in range(30)]))
        for worker in workers:
            _push(worker, request(Command.CAN_DO, b"mail:f") + request(Command.GRAB_JOB) * 30)


def waiting_input(careful: Careful, port: int) -> None:
    """Submissions with workloads, on many connections, beyond their shares of a turn."""
    with _attackers(careful.submitter, port, 30) as clients:
        for client in clients:
            _push(client, _submit(1, workload=bytes(2_000)) * 2_000)


def long_names(careful: Careful, port: int) -> None:
    """Functions with the longest names, and more registrations than are allowed."""
    with _attackers(careful.worker, port, 8) as workers:
        for worker in workers:
            _push(worker, b"".join([request(Command.CAN_DO, name) for name in _LONG_NAMES]))
            _push(worker, request(Command.RESET_ABILITIES))


def shared_submissions(careful: Careful, port: int) -> None:
    """Many clients that wait for the same many jobs."""
    with _attackers(careful.submitter, port, 20) as clients:
        for client in clients:
            _push(client, b"".join([_submit(number) for number in range(5_000)]))


def _flood(packets: bytes, *, functions: bool = False, jobs: bool = False) -> Attack:
    """Return an attack by one connection that sends a quarter of a megabyte again and again."""
    data = packets * max(1, (256 * 1024) // len(packets))

    def flood(careful: Careful, port: int) -> None:
        with _attackers(careful.submitter, port, 1) as [client], _attackers(careful.worker, port, 1) as [worker]:
            if functions:
                _push(worker, b"".join([request(Command.CAN_DO, name) for name in _NAMES]))
            if jobs:
                _push(client, b"".join([_submit(number, name) for number, name in enumerate(_NAMES)]))
            is_of_client = packets[4:8] in (_submit(1)[4:8], _SCHEDULE[4:8], _ECHO[4:8])
            _push(client if is_of_client else worker, data, 8)

    return flood


_ECHO: Final = request(Command.ECHO_REQ, b"x")
_SCHEDULE: Final = request(Command.SUBMIT_JOB_SCHED, b"mail:f", b"u", b"0", b"0", b"*/31", b"12", b"0#5", b"")

ON_MEMORY: Final[dict[str, Attack]] = {
    "shared results": shared_results,
    "shared results, fewer": shared_results_below_the_limit_of_a_connection,
    "half packets": half_packets,
    "unread echoes": unread_echoes,
    "unread workloads": unread_workloads,
    "waiting input": waiting_input,
    "long names": long_names,
    "shared submissions": shared_submissions,
}
ON_TIME: Final[dict[str, Attack]] = {
    "echoes": _flood(_ECHO),
    "schedules that are never due": _flood(_SCHEDULE),
    "tokens": _flood(request(Command.OPTION_REQ, b"exceptions")),
    "sleep": _flood(request(Command.PRE_SLEEP), functions=True),
    "grab": _flood(request(Command.GRAB_JOB), functions=True, jobs=True),
    "grab and sleep": _flood(request(Command.GRAB_JOB_ALL) + request(Command.PRE_SLEEP), functions=True),
    "register": _flood(request(Command.CAN_DO, b"mail:g") + request(Command.CANT_DO, b"mail:g"), functions=True),
    "reset": _flood(
        request(Command.RESET_ABILITIES) + b"".join([request(Command.CAN_DO, name) for name in _NAMES[:50]])
    ),
    "submissions": _flood(_submit(1)),
}
