# SPDX-License-Identifier: MIT
"""Valid conversations that make the state of a server large, and the packets that are then sent again and again."""

from collections.abc import Callable
from typing import Final, TypeAlias

from geartrain.core import JobServerOptions
from geartrain.core.access import SUBMIT, WORK, AccessRules, Rule, digest_of
from geartrain.protocol import Command
from geartrain.protocol.packets import request
from geartrain.testing.wire import Wire, WirePeer

__all__ = ["FLOODS", "OPTIONS", "STATES", "TOKENS", "Flood", "State"]

# Builds a state of a size around a peer, which sends the flood afterwards.
State: TypeAlias = Callable[[Wire, WirePeer, int], None]
Flood: TypeAlias = tuple[bytes, ...]  # packets that are sent in turn

TOKENS: Final = (b"open-sesame-1", b"open-sesame-2")
_RULES = AccessRules(
    (
        Rule(rights=SUBMIT | WORK, tokens=(digest_of(TOKENS[0]),)),
        Rule(rights=SUBMIT | WORK, tokens=(digest_of(TOKENS[1]),)),
        Rule(rights=SUBMIT),
    )
)
OPTIONS: Final = {
    "open": JobServerOptions(),
    "rules": JobServerOptions(access=_RULES),
    "wake all": JobServerOptions(worker_wakeup=0),
    "expiring": JobServerOptions(function_expiry=1.0, stall_after=1.0, probe_after=1.0),
}


def _functions(wire: Wire, peer: WirePeer, size: int) -> None:
    peer.send(Command.OPTION_REQ, b"token=" + TOKENS[0])
    for number in range(size):
        peer.send(Command.CAN_DO, b"f%d" % number)


def _jobs_of_functions(wire: Wire, peer: WirePeer, size: int) -> None:
    _functions(wire, peer, size)
    client = wire.connect()
    for number in range(size):
        client.send(Command.SUBMIT_JOB_BG, b"f%d" % number, b"", b"")


def _jobs(wire: Wire, peer: WirePeer, size: int) -> None:
    peer.send(Command.CAN_DO, b"f")
    client = wire.connect()
    for number in range(size):
        client.send(Command.SUBMIT_JOB_BG, b"f", b"u%d" % number, b"w")


def _taken_away(wire: Wire, peer: WirePeer, size: int) -> None:
    _jobs_of_functions(wire, peer, size)
    peer.packets()
    for _ in range(size // 2):
        peer.send(Command.GRAB_JOB)
        for packet in peer.packets():
            if packet[0] is Command.JOB_ASSIGN:
                assert isinstance(packet[1], bytes)
                peer.send(Command.WORK_EXCEPTION, packet[1], b"")


def _running(wire: Wire, peer: WirePeer, size: int) -> None:
    _jobs(wire, peer, size)
    for _ in range(size):
        peer.send(Command.GRAB_JOB)


def _sleepers(wire: Wire, peer: WirePeer, size: int) -> None:
    for _ in range(size):
        worker = wire.connect()
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.PRE_SLEEP)


def _waiters(wire: Wire, peer: WirePeer, size: int) -> None:
    """A job that clients wait for many times, and that the peer runs."""
    peer.send(Command.CAN_DO, b"f")
    for number in range(size):
        client = wire.peers[-1] if number % 50 else wire.connect()
        client.send(Command.SUBMIT_JOB, b"f", b"u", b"")
    peer.send(Command.GRAB_JOB)


def _schedules(wire: Wire, peer: WirePeer, size: int) -> None:
    for number in range(size):
        peer.send(Command.SUBMIT_JOB_SCHED, b"f%d" % (number % 7), b"u%d" % number, b"*", b"*", b"*", b"*", b"*", b"")
        if not number % 100:
            wire.settle()


STATES: Final[dict[str, State]] = {
    "functions": _functions,
    "jobs of many functions": _jobs_of_functions,
    "jobs": _jobs,
    "jobs taken away": _taken_away,
    "running jobs": _running,
    "sleepers": _sleepers,
    "waiters": _waiters,
    "schedules": _schedules,
}

_DATA = b"x" * 1000
FLOODS: Final[dict[str, Flood]] = {
    "echo": (request(Command.ECHO_REQ, b"x"),),
    "a schedule that is never due": (
        request(Command.SUBMIT_JOB_SCHED, b"f", b"", b"0", b"0", b"*/31", b"12", b"0#5", b""),
    ),
    "schedules that are never due": tuple(
        request(Command.SUBMIT_JOB_SCHED, b"f", b"", b"%d" % minute, b"%d" % hour, b"*/31", b"12", b"0#5", b"")
        for minute in range(60)
        for hour in range(24)
    ),
    "schedules": tuple(
        request(Command.SUBMIT_JOB_SCHED, b"f", b"", b"%d" % minute, b"%d" % hour, b"29", b"2", b"*", b"")
        for minute in range(60)
        for hour in range(24)
    ),
    "a token": (request(Command.OPTION_REQ, b"token=x"),),
    "tokens in turn": tuple(request(Command.OPTION_REQ, b"token=" + token) for token in TOKENS),
    "sleep": (request(Command.PRE_SLEEP),),
    "grab": (request(Command.GRAB_JOB),),
    "long polling": (request(Command.OPTION_REQ, b"long-poll"), *[request(Command.GRAB_JOB_ALL)] * 50),
    "grab and sleep": (request(Command.GRAB_JOB_ALL), request(Command.PRE_SLEEP)),
    "register": (request(Command.CAN_DO, b"g"), request(Command.CANT_DO, b"g")),
    "register many": tuple(request(Command.CAN_DO, b"g%d" % number) for number in range(10_000)),
    "reset": (request(Command.RESET_ABILITIES), *[request(Command.CAN_DO, b"g%d" % number) for number in range(50)]),
    "submit": (request(Command.SUBMIT_JOB, b"f", b"", b""),),
    "submit once": (request(Command.SUBMIT_JOB, b"f", b"u", b""),),
    "submit in the background": (request(Command.SUBMIT_JOB_BG, b"f", b"-", b"w"),),
    "submit to new functions": tuple(request(Command.SUBMIT_JOB, b"h%d" % number, b"", b"") for number in range(5000)),
    "status": (request(Command.GET_STATUS, b"H:localhost:1"),),
    "status by unique": (request(Command.GET_STATUS_UNIQUE, b"u"),),
    "data": (request(Command.WORK_DATA, b"H:localhost:1", _DATA),),
    "progress": (request(Command.WORK_STATUS, b"H:localhost:1", b"1", b"2"),),
    "results": tuple(request(Command.WORK_COMPLETE, b"H:localhost:%d" % number, b"") for number in range(1, 5000)),
    "list": (
        b"status\n",
        b"workers\n",
        b"show jobs\n",
        b"show connections\n",
        b"show metrics\n",
        b"show delayed\n",
        b"show schedules\n",
    ),
    "cancel": tuple(b"cancel job H:localhost:%d\n" % number for number in range(1, 5000)),
}
