# SPDX-License-Identifier: MIT
"""A server that checks the results of a worker that is interrupted."""

import itertools
import socket
import threading

from geartrain.protocol import REQUEST, Command, response
from tests.packets import Packets
from tests.worker.shells import PATIENCE

__all__ = ["CheckingServer"]


class CheckingServer:
    """A server that has a job for every grab, and checks each result.

    Attributes:
        wrong: The packets that no worker should send.
        right: The number of right results.
    """

    def __init__(self) -> None:
        self.wrong: list[object] = []
        self.right = 0
        self._numbers = itertools.count(1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> "CheckingServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a worker's connection is still open"

    @property
    def open_connections(self) -> int:
        """The number of connections that the worker has not closed."""
        self._threads = [self._threads[0], *(thread for thread in self._threads[1:] if thread.is_alive())]
        return len(self._threads) - 1

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed
            thread = threading.Thread(target=self._serve, args=(sock,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, sock: socket.socket) -> None:
        packets = Packets(REQUEST)
        assigned: dict[bytes, bytes] = {}
        with sock:
            while True:
                try:
                    data = sock.recv(65536)
                except ConnectionError:
                    return
                if not data:
                    return
                try:
                    for command, arguments in packets.receive(data):
                        answer = self._answer(command, arguments, assigned)
                        if answer:
                            sock.sendall(answer)
                except ConnectionError:
                    return
                except Exception as error:  # noqa: BLE001 - reported by the test
                    self.wrong.append(error)
                    return

    def _answer(self, command: int, arguments: list[bytes], assigned: dict[bytes, bytes]) -> bytes:
        if command == Command.ECHO_REQ:
            return response(Command.ECHO_RES, *arguments)
        if command == Command.GRAB_JOB_ALL:
            number = next(self._numbers)
            handle = b"H:s:%d" % number
            assigned[handle] = workload = b"workload %d " % number * (1 + number % 7)
            return response(Command.JOB_ASSIGN_ALL, handle, b"reverse", b"", b"", workload)
        if command == Command.WORK_COMPLETE:
            handle, result = arguments
            if assigned.pop(handle, b"")[::-1] == result:
                self.right += 1
            else:
                self.wrong.append((handle, result))
        elif command == Command.WORK_EXCEPTION and arguments[0] not in assigned:
            self.wrong.append((command, arguments))
        return b""
