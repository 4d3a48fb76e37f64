# SPDX-License-Identifier: MIT
"""Valid conversations of peers with a job server: the input that the fuzz test mutates.

A conversation is the list of messages of one connection: of a client, a worker, an administrator, or all of them at
once. Handles are not known in advance: `HANDLE` stands for the last one that the connection was given.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from geartrain.protocol import Command

__all__ = ["HANDLE", "Message", "conversation"]

HANDLE = b"<handle>"

_FUNCTIONS = (b"f", b"g", b"reverse", b"App\\Mail", b"two words", b"na\xc3\xafve", b"f" * 64, b"\xff\xfe", b"%s%n{0}")
_UNIQUES = (b"", b"-", b"u", b"u1", b"u" * 64, b"\xf0\x9f\x9a\x82")
_TIMES = (b"0", b"1", b"1000", b"4102444800", b"9223372036854775807")
_CRON = ((b"*", b"*", b"*", b"*", b"*"), (b"0", b"12", b"29", b"2", b"*"), (b"*/5", b"0-6", b"1,15", b"*", b"0"))
_SUBMISSIONS = (
    Command.SUBMIT_JOB,
    Command.SUBMIT_JOB_BG,
    Command.SUBMIT_JOB_HIGH,
    Command.SUBMIT_JOB_HIGH_BG,
    Command.SUBMIT_JOB_LOW,
    Command.SUBMIT_JOB_LOW_BG,
)
_GRABS = (Command.GRAB_JOB, Command.GRAB_JOB_UNIQ, Command.GRAB_JOB_ALL)
_LISTINGS = (
    b"status",
    b"prioritystatus",
    b"workers",
    b"show jobs",
    b"show unique jobs",
    b"show schedules",
    b"show delayed",
    b"show stalls",
    b"show limits",
)
_SHORT = (b"version", b"getpid", b"verbose", b"shutdown", b"shutdown graceful", b"maxqueue", b"", b"STATUS", b"quit")
_LIMITS = ((), (b"1",), (b"0",), (b"10", b"20", b"30"), (b"-1",))


@dataclass(frozen=True, slots=True)
class Message:
    """A packet, or a line of text.

    Attributes:
        command: Its type; `Command.TEXT` for a line.
        arguments: The arguments of a packet, or the words of a line.
        is_fixed: It must not be mutated: with another digit it would cancel a job of another peer.
    """

    command: int
    arguments: tuple[bytes, ...] = ()
    is_fixed: bool = False


def conversation(chance: random.Random) -> list[Message]:
    """Return a random conversation of one connection."""
    roles = chance.choice(_ROLES)
    return [message for _ in range(chance.randrange(1, 12)) for message in chance.choice(roles)(chance)]


def _workload(chance: random.Random) -> bytes:
    size = chance.choice((0, 1, 10, 100, 100, 1000, 16 * 1024))
    return chance.choice((b"", b"\0", b"\0REQ")) + chance.randbytes(size)


def _submit(chance: random.Random) -> Sequence[Message]:
    function, unique = chance.choice(_FUNCTIONS), chance.choice(_UNIQUES)
    return [Message(chance.choice(_SUBMISSIONS), (function, unique, _workload(chance)))] * chance.choice((1, 1, 1, 5))


def _submit_for_later(chance: random.Random) -> Sequence[Message]:
    function, unique = chance.choice(_FUNCTIONS), chance.choice(_UNIQUES)
    return [Message(Command.SUBMIT_JOB_EPOCH, (function, unique, chance.choice(_TIMES), _workload(chance)))]


def _schedule(chance: random.Random) -> Sequence[Message]:
    function, unique = chance.choice(_FUNCTIONS), chance.choice(_UNIQUES)
    return [Message(Command.SUBMIT_JOB_SCHED, (function, unique, *chance.choice(_CRON), _workload(chance)))]


def _reduce(chance: random.Random) -> Sequence[Message]:
    how = chance.choice((Command.SUBMIT_REDUCE_JOB, Command.SUBMIT_REDUCE_JOB_BACKGROUND))
    return [Message(how, (chance.choice(_FUNCTIONS), chance.choice(_UNIQUES), b"reducer", b"", _workload(chance)))]


def _ask(chance: random.Random) -> Sequence[Message]:
    return [
        chance.choice(
            (
                Message(Command.GET_STATUS, (HANDLE,)),
                Message(Command.GET_STATUS_UNIQUE, (chance.choice(_UNIQUES),)),
                Message(Command.ECHO_REQ, (_workload(chance),)),
                Message(Command.OPTION_REQ, (chance.choice((b"exceptions", b"token=let-me-in-or-else")),)),
                Message(Command.SET_CLIENT_ID, (chance.choice((b"me", b"Me-1234", b"a b", b"", b"i" * 200)),)),
            )
        )
    ]


def _register(chance: random.Random) -> Sequence[Message]:
    function = chance.choice(_FUNCTIONS)
    return [
        chance.choice(
            (
                Message(Command.CAN_DO, (function,)),
                Message(Command.CAN_DO, (function,)),
                Message(Command.CAN_DO_TIMEOUT, (function, chance.choice(_TIMES))),
                Message(Command.CANT_DO, (function,)),
                Message(Command.RESET_ABILITIES),
            )
        )
    ]


def _work(chance: random.Random) -> Sequence[Message]:
    """Grab a job, report on it, and perhaps end it."""
    progress = (
        Message(Command.WORK_DATA, (HANDLE, _workload(chance))),
        Message(Command.WORK_WARNING, (HANDLE, _workload(chance))),
        Message(Command.WORK_STATUS, (HANDLE, chance.choice((b"1", b"abc", b"")), b"100")),
    )
    ends = (
        (),
        (Message(Command.WORK_COMPLETE, (HANDLE, _workload(chance))),),
        (Message(Command.WORK_COMPLETE, (HANDLE, _workload(chance))),),
        (Message(Command.WORK_FAIL, (HANDLE,)),),
        (Message(Command.WORK_EXCEPTION, (HANDLE, b"boom")), Message(Command.WORK_FAIL, (HANDLE,))),
    )
    return [
        Message(Command.CAN_DO, (chance.choice(_FUNCTIONS),)),
        Message(chance.choice(_GRABS)),
        *chance.sample(progress, chance.randrange(3)),
        *chance.choice(ends),
    ]


def _sleep(chance: random.Random) -> Sequence[Message]:
    return [Message(chance.choice(_GRABS)), Message(Command.PRE_SLEEP)]


def _look(chance: random.Random) -> Sequence[Message]:
    return [Message(Command.TEXT, (chance.choice((chance.choice(_LISTINGS), chance.choice(_SHORT))),))]


def _order(chance: random.Random) -> Sequence[Message]:
    """Create a function, limit its queue, drop it."""
    function = chance.choice(_FUNCTIONS)
    lines = (
        (b"create function", function),
        (b"maxqueue", function, *chance.choice(_LIMITS)),
        (b"drop function", function),
        (b"cancel job", b"H:unknown:1"),
    )
    return [Message(Command.TEXT, words) for words in lines if chance.random() < 0.7]


def _cancel(chance: random.Random) -> Sequence[Message]:
    return [*_submit(chance), Message(Command.TEXT, (b"cancel job " + HANDLE,), is_fixed=True)]


def _odd(chance: random.Random) -> Sequence[Message]:
    """Send a packet of any type, including those that only servers send and unknown ones."""
    return [Message(chance.randrange(1, 45), tuple(chance.choice(_FUNCTIONS) for _ in range(chance.randrange(8))))]


_Talk = Callable[[random.Random], Sequence[Message]]
_CLIENT: tuple[_Talk, ...] = (_submit, _submit, _submit, _submit_for_later, _schedule, _reduce, _ask, _cancel)
_WORKER: tuple[_Talk, ...] = (_register, _work, _work, _work, _sleep, _ask)
_ADMINISTRATOR: tuple[_Talk, ...] = (_look, _order, _order, _cancel)
_ROLES = (_CLIENT, _WORKER, _ADMINISTRATOR, (*_CLIENT, *_WORKER, *_ADMINISTRATOR, _odd))
