# SPDX-License-Identifier: MIT
"""A client and a worker that send packets themselves: ``python -m tests.soak.agents.raw client SERVER LEDGER NAME``."""

import random
import socket
import sys
import time
from collections import deque

from geartrain import Priority
from geartrain.protocol import RESPONSE, Command, request
from tests.packets import Packets
from tests.soak.agents.workload import FUNCTION, Entries

_BATCHES = (50,) * 50 + (3000,)  # a few batches of more jobs than the workers run in a second
_TIMEOUT = 60.0
_PAUSE = 0.2
_SUBMIT = {
    Priority.HIGH: Command.SUBMIT_JOB_HIGH_BG,
    Priority.NORMAL: Command.SUBMIT_JOB_BG,
    Priority.LOW: Command.SUBMIT_JOB_LOW_BG,
}


class Wire:
    """A connection, packet by packet."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), _TIMEOUT)
        self._parser = Packets(RESPONSE)
        self._packets: deque[tuple[Command, list[bytes]]] = deque()

    def send(self, *packets: bytes) -> None:
        """Send packets together."""
        self._socket.sendall(b"".join(packets))

    def packet(self, *, timeout: float | None = _TIMEOUT) -> tuple[Command, list[bytes]]:
        """Return the next packet; raise `OSError` if none comes."""
        self._socket.settimeout(timeout)
        while not self._packets:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._packets.extend((Command(number), arguments) for number, arguments in self._parser.receive(data))
        return self._packets.popleft()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def client(wire: Wire, entries: Entries) -> None:
    """Submit batches of background jobs, as long as the server answers."""
    while True:
        tasks = [entries.ask() for _ in range(random.choice(_BATCHES))]
        function = FUNCTION.encode()
        wire.send(*(request(_SUBMIT[task.priority], function, b"", task.workload.encode()) for task in tasks))
        for task in tasks:
            command, _ = wire.packet()
            entries.enter("accepted" if command is Command.JOB_CREATED else "failed", task.name)
        time.sleep(_PAUSE)


def worker(wire: Wire, entries: Entries) -> None:
    """Run jobs one by one, as long as the server is reachable."""
    wire.send(request(Command.CAN_DO, FUNCTION.encode()))
    while True:
        wire.send(request(Command.GRAB_JOB_UNIQ))
        command, arguments = wire.packet()
        while command is Command.NOOP:
            command, arguments = wire.packet()
        if command is Command.NO_JOB:
            wire.send(request(Command.PRE_SLEEP))
            wire.packet(timeout=None)
        else:
            wire.send(request(Command.WORK_COMPLETE, arguments[0], entries.do(arguments[-1])))


def main() -> None:
    """Connect again and again."""
    _, role, server, ledger, name = sys.argv
    entries = Entries(ledger, name)
    while True:
        try:
            wire = Wire(server)
        except OSError:
            time.sleep(_PAUSE)
            continue
        try:
            {"client": client, "worker": worker}[role](wire, entries)
        except OSError:
            wire.close()


if __name__ == "__main__":
    main()
