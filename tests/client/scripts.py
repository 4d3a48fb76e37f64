# SPDX-License-Identifier: MIT
"""Scripts for `ScriptedServer`."""

import contextlib
import itertools
import socket
from collections.abc import Iterator

from geartrain.protocol import Command
from tests.client.peers import ServedClient

__all__ = ["hold", "ignore", "ignore_after_a_ping", "refusing", "serve", "take_and_vanish", "vanish"]


def serve(peer: ServedClient) -> None:
    """Complete each job at once with its workload reversed, and answer every other packet."""
    for number in itertools.count(1):
        command, arguments = peer.packet()
        handle = b"H:s:%d" % number
        if command == Command.SUBMIT_JOB:
            peer.send(Command.JOB_CREATED, handle)
            peer.send(Command.WORK_COMPLETE, handle, arguments[-1][::-1])
        elif command == Command.ECHO_REQ:
            peer.send(Command.ECHO_RES, *arguments)
        elif command == Command.GET_STATUS:
            peer.send(Command.STATUS_RES, arguments[0], b"0", b"0", b"0", b"0")
        else:
            peer.send(Command.JOB_CREATED, handle)


def vanish(peer: ServedClient) -> None:
    """Close the connection when the first job arrives, before accepting it."""
    peer.packet()


def take_and_vanish(peer: ServedClient) -> None:
    """Accept the first job, and close the connection."""
    peer.expect_job(b"H:v:1")


def hold(peer: ServedClient) -> None:
    """Take all jobs and do none, and answer pings."""
    for number in itertools.count(1):
        command, arguments = peer.packet()
        if command == Command.ECHO_REQ:
            peer.send(Command.ECHO_RES, *arguments)
        else:
            assert command == Command.SUBMIT_JOB
            peer.send(Command.JOB_CREATED, b"H:h:%d" % number)


def ignore(peer: ServedClient) -> None:
    """Read everything and answer nothing."""
    while True:
        peer.packet()


def ignore_after_a_ping(peer: ServedClient) -> None:
    """Answer the first packet, a ping, and no other one."""
    peer.send(Command.ECHO_RES, *peer.expect(Command.ECHO_REQ))
    ignore(peer)


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """The address of a server that is down."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    yield address
