# SPDX-License-Identifier: MIT
"""A fork server: a process that forks the processes in which a worker's jobs run.

::

    worker ──fork, before it has any thread──▶ supervisor ──fork, again if it dies──▶ fork server
       │                                                                                   │
       ╰──────a socket of its own for each─────▶ child, child, child … ◀──fork, on request─╯

- A fork copies one thread, and the locks that other threads hold at that moment. The fork server has no other threads,
  so it can fork at any time, also to replace a child that has died.
- A child is a copy of the worker as it was when its run began, with all registered functions, closures included.
- Neither the worker's connections nor the sockets of other children are open in a child: the fork server is older.
- The fork server ends when its socket is closed: when the worker closes it, or when the worker is killed. It kills its
  children then.
- Each child leads a process group, and is killed with all programs in it that its job has started.
- It reports each child's exit status on a pipe that only it holds open.
- If it dies, as the system may kill any process when memory runs out, its supervisor forks another one. A worker with
  threads could not do that safely. The children of the dead one go on, and are replaced after their current job; until
  then they cannot be killed.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from geartrain.errors import GeartrainError
from geartrain.transport import Waker

__all__ = ["ChildProcess", "ForkServer", "NoMoreProcesses", "flush_output"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_RESTART_DELAY = 0.1  # seconds, so that a fork server that dies at once does not use all CPU time


class NoMoreProcesses(GeartrainError):
    """The fork server and its supervisor have ended, so that the worker cannot go on."""


@dataclass(slots=True)
class ChildProcess:
    """The worker's ends of the connections to a child.

    Attributes:
        sock: The socket to the child.
        exit_pipe: The pipe on which the fork server writes the child's exit status, as ``waitpid`` returns it.
    """

    sock: socket.socket
    exit_pipe: int

    def close(self) -> None:
        """Close both; the child ends when it reads the end of its socket."""
        self.sock.close()
        os.close(self.exit_pipe)


class ForkServer:
    """The fork server and its supervisor as their worker sees them.

    Args:
        serve: Called in each child with its socket; the child exits when it returns.

    Attributes:
        is_closed: True after `close`.
    """

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.is_closed = False
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        flush_output()  # or each child would have a copy of the unwritten output
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the fork server has set its handlers
        self._pid = os.fork()
        if self._pid == 0:
            self._control.close()
            _exit_after(lambda: _supervise(theirs, serve, mask))
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()

    @property
    def pid(self) -> int:
        """The process id of the supervisor."""
        return self._pid

    def spawn(self) -> ChildProcess:
        """Fork a child, and return the connections to it.

        Raises:
            NoMoreProcesses: The fork server and its supervisor have ended.
            OSError: The system has no descriptors left.
        """
        ours, theirs = socket.socketpair()
        try:
            exit_pipe, exit_pipe_write = os.pipe()
        except OSError:
            ours.close()
            theirs.close()
            raise
        try:
            with self._lock:
                socket.send_fds(self._control, [b"+"], [theirs.fileno(), exit_pipe_write])
        except OSError as error:
            ours.close()
            os.close(exit_pipe)
            raise NoMoreProcesses("the process that starts the worker's processes has ended") from error
        finally:
            theirs.close()
            os.close(exit_pipe_write)
        return ChildProcess(ours, exit_pipe)

    def kill(self, child: ChildProcess) -> None:
        """Kill a child with its process group, if it has not exited."""
        with contextlib.suppress(OSError), self._lock:  # without the fork server there is no child
            socket.send_fds(self._control, [b"-"], [child.exit_pipe])

    def close(self) -> None:
        """End the fork server; children that have not exited are killed."""
        if self.is_closed:
            return
        self.is_closed = True
        with self._lock:
            self._control.close()
        with contextlib.suppress(ChildProcessError):  # another part of the program waits for all children
            os.waitpid(self._pid, 0)


def flush_output() -> None:
    """Flush standard output and standard error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there may be none, or it is closed
            stream.flush()


def _supervise(control: socket.socket, serve: Callable[[socket.socket], None], mask: set[int]) -> None:
    """Fork a fork server, and again whenever it has died, until it has exited because the worker closed its socket.

    Requests that arrive in between wait in the socket, which all fork servers share.
    """
    gc.freeze()  # objects that are never collected stay shared with the children
    _ignore_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    while True:
        fork_server = os.fork()
        if fork_server == 0:
            _exit_after(_Forker(control, serve).run)
        _, status = os.waitpid(fork_server, 0)
        if status == 0:
            return
        time.sleep(_RESTART_DELAY)


class _Forker:
    """The main loop of the fork server.

    Args:
        control: The socket on which children are requested.
        serve: Called in each child with its socket.
    """

    def __init__(self, control: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        self._control = control
        self._serve = serve
        self._exit_pipes: dict[int, int] = {}  # by child
        self._waker = Waker()  # woken by SIGCHLD

    def run(self) -> None:
        """Fork on request until the worker has closed its socket, then kill the children."""
        signal.signal(signal.SIGCHLD, _do_nothing)
        signal.set_wakeup_fd(self._waker.wakeup_fd, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._waker, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            self._waker.clear()
            self._report_exits()
            if self._control.fileno() in ready:
                request, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
                if not request:
                    break
                if request == b"+" and len(descriptors) == 2:
                    self._spawn(*descriptors)
                elif request == b"-" and len(descriptors) == 1:
                    self._kill(*descriptors)
                else:  # the system had none left for this process; the worker sees the end of the pipe
                    for descriptor in descriptors:
                        os.close(descriptor)
        for child in self._exit_pipes:
            _kill_group(child)
        self._close()

    def _spawn(self, sock: int, exit_pipe: int) -> None:
        try:
            child = os.fork()
        except OSError as error:
            os.write(exit_pipe, f"could not be forked: {error.strerror}".encode())
            os.close(exit_pipe)
        else:
            if child == 0:
                os.setpgid(0, 0)
                self._close_inherited(exit_pipe)
                _exit_after(lambda: self._serve(socket.socket(fileno=sock)))
            with contextlib.suppress(OSError):  # it did it itself, and may have exited
                os.setpgid(child, child)
            self._exit_pipes[child] = exit_pipe
        os.close(sock)

    def _kill(self, exit_pipe: int) -> None:
        """Kill the child of a pipe, given by the worker's end; both ends have one inode."""
        inode = os.fstat(exit_pipe).st_ino
        os.close(exit_pipe)
        for child, ours in self._exit_pipes.items():
            if os.fstat(ours).st_ino == inode:
                _kill_group(child)

    def _close_inherited(self, exit_pipe: int) -> None:
        """Close, in a new child, the descriptors of the fork server and of other children."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (exit_pipe, *self._exit_pipes.values()):
            os.close(descriptor)
        self._close()

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._control.close()
        self._waker.close()

    def _report_exits(self) -> None:
        while self._exit_pipes:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            exit_pipe = self._exit_pipes.pop(child)
            with contextlib.suppress(BrokenPipeError):  # the worker has closed its end
                os.write(exit_pipe, b"%d" % status)
            os.close(exit_pipe)


def _kill_group(child: int) -> None:
    """Kill the process group of a child that was not waited for, so that its id is still in use."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def _ignore_signals() -> None:
    """Ignore SIGINT and SIGTERM: the worker decides when its jobs end.

    A handler that does nothing, unlike SIG_IGN, is not inherited by programs that a job starts.
    """
    for number in _SIGNALS:
        signal.signal(number, _do_nothing)


def _do_nothing(*_: object) -> None:
    pass


def _exit_after(work: Callable[[], None]) -> NoReturn:
    """Run a function and exit the forked process, with any result: the rest of the program belongs to the parent."""
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001  # there is no caller
        sys.excepthook(*sys.exc_info())
    finally:
        flush_output()
        os._exit(status)
