# SPDX-License-Identifier: MIT
"""The packet types and their arguments (protocol 1.3)."""

import enum

__all__ = ["ARGUMENTS", "EXCEPTIONS", "EXCEPTION_DETAILS", "LONG_POLL", "Command"]


class Command(enum.IntEnum):
    """A packet type. The two below 1 are never sent: the reader reports other input by them."""

    WRONG_MAGIC = -1  # a packet that is valid except for the magic, which is that of the other direction
    TEXT = 0  # a line of the text protocol
    CAN_DO = 1
    CANT_DO = 2
    RESET_ABILITIES = 3
    PRE_SLEEP = 4
    UNUSED = 5
    NOOP = 6
    SUBMIT_JOB = 7
    JOB_CREATED = 8
    GRAB_JOB = 9
    NO_JOB = 10
    JOB_ASSIGN = 11
    WORK_STATUS = 12
    WORK_COMPLETE = 13
    WORK_FAIL = 14
    GET_STATUS = 15
    ECHO_REQ = 16
    ECHO_RES = 17
    SUBMIT_JOB_BG = 18
    ERROR = 19
    STATUS_RES = 20
    SUBMIT_JOB_HIGH = 21
    SET_CLIENT_ID = 22
    CAN_DO_TIMEOUT = 23
    ALL_YOURS = 24
    WORK_EXCEPTION = 25
    OPTION_REQ = 26
    OPTION_RES = 27
    WORK_DATA = 28
    WORK_WARNING = 29
    GRAB_JOB_UNIQ = 30
    JOB_ASSIGN_UNIQ = 31
    SUBMIT_JOB_HIGH_BG = 32
    SUBMIT_JOB_LOW = 33
    SUBMIT_JOB_LOW_BG = 34
    SUBMIT_JOB_SCHED = 35
    SUBMIT_JOB_EPOCH = 36
    SUBMIT_REDUCE_JOB = 37
    SUBMIT_REDUCE_JOB_BACKGROUND = 38
    GRAB_JOB_ALL = 39
    JOB_ASSIGN_ALL = 40
    GET_STATUS_UNIQUE = 41
    STATUS_RES_UNIQUE = 42


# Fields in wire order, joined by single NUL bytes; the last one takes the rest of the body, NUL bytes included.
ARGUMENTS: dict[Command, tuple[str, ...]] = {
    Command.CAN_DO: ("function",),
    Command.CANT_DO: ("function",),
    Command.RESET_ABILITIES: (),
    Command.PRE_SLEEP: (),
    Command.UNUSED: (),
    Command.NOOP: (),
    Command.SUBMIT_JOB: ("function", "unique", "workload"),
    Command.JOB_CREATED: ("handle",),
    Command.GRAB_JOB: (),
    Command.NO_JOB: (),
    Command.JOB_ASSIGN: ("handle", "function", "workload"),
    Command.WORK_STATUS: ("handle", "numerator", "denominator"),
    Command.WORK_COMPLETE: ("handle", "data"),
    Command.WORK_FAIL: ("handle",),
    Command.GET_STATUS: ("handle",),
    Command.ECHO_REQ: ("data",),
    Command.ECHO_RES: ("data",),
    Command.SUBMIT_JOB_BG: ("function", "unique", "workload"),
    Command.ERROR: ("code", "text"),
    Command.STATUS_RES: ("handle", "known", "running", "numerator", "denominator"),
    Command.SUBMIT_JOB_HIGH: ("function", "unique", "workload"),
    Command.SET_CLIENT_ID: ("client_id",),
    Command.CAN_DO_TIMEOUT: ("function", "timeout_ms"),
    Command.ALL_YOURS: (),
    Command.WORK_EXCEPTION: ("handle", "data"),
    Command.OPTION_REQ: ("option",),
    Command.OPTION_RES: ("option",),
    Command.WORK_DATA: ("handle", "data"),
    Command.WORK_WARNING: ("handle", "data"),
    Command.GRAB_JOB_UNIQ: (),
    Command.JOB_ASSIGN_UNIQ: ("handle", "function", "unique", "workload"),
    Command.SUBMIT_JOB_HIGH_BG: ("function", "unique", "workload"),
    Command.SUBMIT_JOB_LOW: ("function", "unique", "workload"),
    Command.SUBMIT_JOB_LOW_BG: ("function", "unique", "workload"),
    Command.SUBMIT_JOB_SCHED: ("function", "unique", "minute", "hour", "day", "month", "weekday", "workload"),
    Command.SUBMIT_JOB_EPOCH: ("function", "unique", "epoch", "workload"),
    # The fourth field is an aggregator, which no known client sets; the published protocol text omits it.
    Command.SUBMIT_REDUCE_JOB: ("function", "unique", "reducer", "aggregator", "workload"),
    Command.SUBMIT_REDUCE_JOB_BACKGROUND: ("function", "unique", "reducer", "aggregator", "workload"),
    Command.GRAB_JOB_ALL: (),
    Command.JOB_ASSIGN_ALL: ("handle", "function", "unique", "reducer", "workload"),
    Command.GET_STATUS_UNIQUE: ("unique",),
    Command.STATUS_RES_UNIQUE: ("unique", "known", "running", "numerator", "denominator", "waiting_clients"),
}

# Names of options for OPTION_REQ.
EXCEPTIONS = b"exceptions"  # to get WORK_EXCEPTION, and not WORK_FAIL in its place
# Exceptions have details, as JSON, and a NUL byte before their text; an extension of Geartrain.
EXCEPTION_DETAILS = b"exception-details"
LONG_POLL = b"long-poll"  # a GRAB_JOB_ALL that finds no job is held until there is one; an extension of Geartrain
