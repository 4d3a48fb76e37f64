# SPDX-License-Identifier: MIT
"""A fork server: a process that has imported our commands, and forks to run one.

A new interpreter needs a tenth of a second to import a command, a fork some milliseconds. This process has one thread
and no state, so that a fork of it behaves like a new interpreter.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import struct
import sys

__all__ = ["LENGTH", "main"]

LENGTH = struct.Struct("!I")  # the length of a request, sent before it

# The commands, with the modules that they import late.
_MODULES = [
    "geartrain.cli.gearman",
    "geartrain.cli.gearadmin",
    "geartrain.cli.gearman_client",
    "geartrain.cli.gearman_json",
    "geartrain.cli.gearman_output",
    "geartrain.cli.gearman_page",
    "geartrain.cli.gearman_worker",
    "geartrain.cli.gearadmin_json",
    "geartrain.cli.gearadmin_page",
    "ssl",
]


def main() -> int:
    """Serve requests from the socket on standard input, each with four descriptors: three streams and a status pipe."""
    connection = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for the children of this process
    for module in _MODULES:
        importlib.import_module(module)
    while True:
        length, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, 4)
        if not length:
            return 0
        request = connection.recv(LENGTH.unpack(length)[0], socket.MSG_WAITALL)
        importlib.import_module(json.loads(request)["module"])  # that of the server only if a test runs it
        if os.fork() == 0:
            connection.close()
            return _supervise(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _supervise(request: bytes, descriptors: list[int]) -> int:
    """Run a command in a child, and write its process id and its status to the last descriptor."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, status = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(status)
        return _run(request, streams)
    for stream in streams:
        os.close(stream)
    os.write(status, b"%d\n" % pid)
    _, code = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # the test has stopped waiting
        os.write(status, b"%d\n" % os.waitstatus_to_exitcode(code))
    os._exit(0)


def _run(request: bytes, streams: list[int]) -> int:
    """Set up the process like a new interpreter, and run the command."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    told = json.loads(request)
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["folder"])
    module = importlib.import_module(told["module"])
    sys.argv = [str(module.__file__), *told["words"]]
    result: int = module.main()
    return result


if __name__ == "__main__":
    sys.exit(main())
