# SPDX-License-Identifier: MIT
"""Peers of recorded conversations, and the packets, lines and fields that they choose from."""

from dataclasses import dataclass, field

from geartrain.protocol import Command
from tests.core.conversation import TOKEN

__all__ = [
    "ASSIGNMENTS",
    "Actor",
    "BAD_BYTES",
    "BAD_LINES",
    "COMMANDS",
    "CRON_LINES",
    "FUNCTIONS",
    "GRABS",
    "LAST_RESULTS",
    "ODD_BYTES",
    "QUESTIONS",
    "SUBMISSIONS",
    "UNIQUES",
    "WORKLOADS",
]

FUNCTIONS = [b"resize", b"mail", b"mail:news", b"wc"]
UNIQUES = [b"", b"", b"", b"-", b"a", b"b"]
WORKLOADS = [b"", b"x", b"photo", b"two words", b"\0nul\0\xff"]
CRON_LINES = [b"* * * * *", b"*/5 * * * *", b"0 * * * *", b"30 6 * * 0-4", b"0 0 1 1 *", b"$ * * * *"]
SUBMISSIONS = {
    "foreground": [Command.SUBMIT_JOB, Command.SUBMIT_JOB, Command.SUBMIT_JOB_HIGH, Command.SUBMIT_JOB_LOW],
    "background": [Command.SUBMIT_JOB_BG, Command.SUBMIT_JOB_BG, Command.SUBMIT_JOB_HIGH_BG, Command.SUBMIT_JOB_LOW_BG],
    "reduce": [Command.SUBMIT_REDUCE_JOB, Command.SUBMIT_REDUCE_JOB_BACKGROUND],
}
GRABS = [Command.GRAB_JOB, Command.GRAB_JOB_UNIQ, Command.GRAB_JOB_ALL]
ASSIGNMENTS = {Command.JOB_ASSIGN, Command.JOB_ASSIGN_UNIQ, Command.JOB_ASSIGN_ALL}
LAST_RESULTS = (Command.WORK_COMPLETE, Command.WORK_FAIL, Command.WORK_EXCEPTION)
QUESTIONS = [b"status", b"status", b"prioritystatus", b"workers", b"show jobs", b"show unique jobs", b"show schedules"]
QUESTIONS += [b"show stalls", b"show limits", b"version", b"getpid", b"verbose"]
COMMANDS = [b"create function fresh", b"drop function fresh", b"drop function resize", b"maxqueue resize 2"]
COMMANDS += [b"maxqueue mail 3 2 1", b"maxqueue resize", b"shutdown graceful", b"token %b" % TOKEN, b"token wrong"]
BAD_LINES = [
    b"",
    b" status",
    b"Status ",
    b"show",
    b"show jobs now",
    b"cancel",
    b"cancel job H:localhost:999",
    b"maxqueue",
]
BAD_LINES += [b"drop function", b"drop function unknown", b"what?", b"shutdown now", b"create", b"token", b"status\r"]
BAD_BYTES = [
    b"\0REQ\0\0\0\x99\0\0\0\0",
    b"\0BAD" + bytes(8),
    b"\0REQ\0\0\0\x07\0\0\0\x01f",
    b"\0REQ\0\0\0\x01\x7f\0\0\0",
]
ODD_BYTES = [b"\0RES\0\0\0\x0b\0\0\0\x01f", b"\0REQ\0\0\0\x06\0\0\0\0", b"\0REQ\0\0\0\x09\0\0\0\x04more"]


@dataclass
class Actor:
    """A peer, with the state that it must track to keep to the protocol.

    Attributes:
        running: The handles of its running jobs.
        past: The handles of jobs that it ran before.
        is_asleep: It waits for NOOP.
        is_grabbing: It has a grab without an answer.
        rest: The rest of a packet whose first bytes were sent.
    """

    number: int
    role: str
    running: list[bytes] = field(default_factory=list)
    past: list[bytes] = field(default_factory=list)
    is_asleep: bool = False
    is_grabbing: bool = False
    is_long_polling: bool = False
    is_closing: bool = False
    rest: bytes = b""

    @property
    def can_submit(self) -> bool:
        """True if the order of the packets that it gets is certain when it submits."""
        return self.role == "both" or not self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """True while it waits for the server to send it something."""
        return self.is_asleep or self.is_grabbing
