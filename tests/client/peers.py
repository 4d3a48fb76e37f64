# SPDX-License-Identifier: MIT
"""The peers of a client, over real sockets: servers that run the scripts of a test, and a worker."""

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from geartrain import ConnectionLost
from geartrain.protocol import REQUEST, RESPONSE, Command, request, response
from tests.packets import Packets

__all__ = ["BriefServer", "Gone", "RawWorker", "ScriptedServer", "ServedClient", "repeat_until_answered"]

Value = TypeVar("Value")

PATIENCE = 60.0  # seconds after which a test fails


def repeat_until_answered(call: Callable[[], Value], is_slow: Callable[[], object]) -> Value:
    """Call until a server answers within the short timeout of a client; a quick one is an error."""
    while True:
        try:
            return call()
        except ConnectionLost:
            assert is_slow()


class Gone(Exception):
    """The client closed its connection."""


class ServedClient:
    """A scripted server's view of one connection.

    Attributes:
        greeting: The packets that a client sends on its own account, which are answered here.
        knows_options: False to answer options as other servers than Geartrain's do.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.socket = sock
        self.greeting: list[tuple[int, list[bytes]]] = []
        self.knows_options = True
        self._packets = self._receive()

    def _receive(self) -> Iterator[tuple[int, list[bytes]]]:
        parser = Packets(REQUEST)
        while True:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise Gone
            yield from parser.receive(data)

    def packet(self) -> tuple[int, list[bytes]]:
        """Return the next packet that is not part of the greeting."""
        for command, arguments in self._packets:
            if command == Command.OPTION_REQ:
                self.greeting.append((command, arguments))
                if self.knows_options:
                    self.send(Command.OPTION_RES, *arguments)
                else:
                    self.send(Command.ERROR, b"UNKNOWN_OPTION", b"Server does not recognize given option")
            elif command == Command.SET_CLIENT_ID:
                self.greeting.append((command, arguments))
            else:
                return command, arguments
        raise Gone

    def expect(self, *commands: Command) -> list[bytes]:
        """Return the arguments of the next packet, which has to be one of these."""
        command, arguments = self.packet()
        assert command in commands, Command(command).name
        return arguments

    def expect_job(self, handle: bytes) -> bytes:
        """Accept the next foreground job and return its workload."""
        workload = self.expect(Command.SUBMIT_JOB)[2]
        self.send(Command.JOB_CREATED, handle)
        return workload

    def send(self, command: Command, *arguments: bytes) -> None:
        self.send_bytes(response(command, *arguments))

    def send_bytes(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except ConnectionError:
            raise Gone from None

    def wait_until_gone(self) -> None:
        with contextlib.suppress(Gone):
            self.packet()


Script: TypeAlias = Callable[[ServedClient], None]


class ScriptedServer:
    """A server whose first connection runs the first script, the second one the second, and so on.

    A connection closes when its script ends. The last script serves all further connections. `close` raises the errors
    of the scripts.
    """

    def __init__(self, *scripts: Script, port: int = 0) -> None:
        self._scripts = list(scripts)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.accepted = 0
        self._errors: list[BaseException] = []
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> "ScriptedServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a second packet does not wait for an ACK
            self._sockets.append(sock)
            thread = threading.Thread(target=self._run, args=(script, sock))
            self._threads.append(thread)
            thread.start()

    def _run(self, script: Script, sock: socket.socket) -> None:
        with sock:
            try:
                script(ServedClient(sock))
            except Gone:
                pass
            except BaseException as error:  # noqa: BLE001 - raised by close
                self._errors.append(error)

    def disconnect(self) -> None:
        """End all connections; their scripts see them end."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):  # it has ended already
                sock.shutdown(socket.SHUT_RDWR)

    def open_connections(self) -> int:
        """Return the number of connections whose script still runs."""
        return sum(thread.is_alive() for thread in self._threads[1:])

    def stop_listening(self) -> None:
        """Refuse connections from now on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """Wait until all connections are closed by either side."""
        self.stop_listening()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script hangs"
        if self._errors:
            raise self._errors[0]


class BriefServer:
    """A server that does one job on each connection and closes it, as fast as it can."""

    _ANSWER = response(Command.JOB_CREATED, b"H:1") + response(Command.WORK_COMPLETE, b"H:1", b"done")

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> "BriefServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed
            self.accepted += 1
            with sock, contextlib.suppress(ConnectionError):
                self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        parser = Packets(REQUEST)
        while data := sock.recv(4096):
            if any(command == Command.SUBMIT_JOB for command, _ in parser.receive(data)):
                sock.sendall(self._ANSWER)
                return


class RawWorker:
    """A worker that knows nothing of this package's workers.

    It does ``reverse`` and ``talk`` (three events, then the result), fails at ``fail`` and ``raise``, closes its
    connection at ``vanish``, and takes ``hold`` without doing it: `held` has the handles, `complete` ends one.
    """

    FUNCTIONS = (b"reverse", b"talk", b"fail", b"raise", b"hold")

    def __init__(self, port: int) -> None:
        self.held: queue.Queue[bytes] = queue.Queue()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for function in self.FUNCTIONS:
            self._send(Command.CAN_DO, function)
        self._send(Command.PRE_SLEEP)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> "RawWorker":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def complete(self, handle: bytes, result: bytes) -> None:
        self._send(Command.WORK_COMPLETE, handle, result)

    def _send(self, command: Command, *arguments: bytes) -> None:
        self._socket.sendall(request(command, *arguments))

    def _run(self) -> None:
        parser = Packets(RESPONSE)
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                for command, arguments in parser.receive(data):
                    self._answer(command, arguments)

    def _answer(self, command: int, arguments: list[bytes]) -> None:
        if command == Command.NO_JOB:
            self._send(Command.PRE_SLEEP)
            return
        if command == Command.JOB_ASSIGN:
            self._do(*arguments)
        self._send(Command.GRAB_JOB)

    def _do(self, handle: bytes, function: bytes, workload: bytes) -> None:
        if function == b"hold":
            self.held.put(handle)
        elif function == b"fail":
            self._send(Command.WORK_FAIL, handle)
        elif function == b"raise":
            self._send(Command.WORK_EXCEPTION, handle, b"ValueError: " + workload)
        else:
            if function == b"talk":
                self._send(Command.WORK_DATA, handle, b"part")
                self._send(Command.WORK_WARNING, handle, b"careful")
                self._send(Command.WORK_STATUS, handle, b"1", b"2")
            self._send(Command.WORK_COMPLETE, handle, workload[::-1])
