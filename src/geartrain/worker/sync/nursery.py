# SPDX-License-Identifier: MIT
"""A process whose only work is to fork others, for workers whose jobs are done in processes.

::

    worker ──fork, before it has any thread──▶ nursery ──fork, whenever one is asked for──▶ child, child, child …
       ╰────────────────────────────a socket of its own for each──────────────────────────────╯

- A fork takes one thread along, and whatever locks the others held. The nursery has no others, and so children may be
  forked at any time, also when one has died and another is to take its place.
- A child knows every function that the worker had when it began to run, closures as well, for it is a copy of it.
- Neither the worker's connections nor other children's sockets are open in a child: the nursery is older than these.
- The nursery ends when its socket does, which is when the worker closes it, and also when the worker is killed. Its
  children end with it.
- It tells of each child's end on a pipe that only it holds open.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from geartrain.errors import GeartrainError

__all__ = ["Line", "Nursery", "flush_output"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Line:
    """What the worker has of a child.

    Attributes:
        sock: Leads to the child.
        obituary: A pipe on which the nursery writes how the child has ended, as ``waitpid`` has it.
    """

    sock: socket.socket
    obituary: int

    def close(self) -> None:
        """Let go of the child, which ends when it finds out."""
        self.sock.close()
        os.close(self.obituary)


class Nursery:
    """The worker's hold on its nursery.

    Args:
        labour: What a child does with its socket; the child ends when it returns.
    """

    def __init__(self, labour: Callable[[socket.socket], None]) -> None:
        self.is_closed = False
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        flush_output()  # or each child would have a copy of what is still to be written
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the nursery knows what to do about them
        self._pid = os.fork()
        if self._pid == 0:
            self._control.close()
            _end_with(lambda: _Nurse(theirs, labour).run(mask))
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()

    def bear(self) -> Line:
        """Return a line to a new child.

        Raises:
            GeartrainError: The nursery is gone.
        """
        ours, theirs = socket.socketpair()
        obituary, told = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._control, [b"+"], [theirs.fileno(), told])
        except OSError as error:
            ours.close()
            os.close(obituary)
            raise GeartrainError("the process that forks the worker's processes is gone") from error
        finally:
            theirs.close()
            os.close(told)
        return Line(ours, obituary)

    def close(self) -> None:
        """End the nursery; children that have not ended by themselves are killed."""
        if self.is_closed:
            return
        self.is_closed = True
        with self._lock:
            self._control.close()
        with contextlib.suppress(ChildProcessError):  # somebody in this process waits for every child
            os.waitpid(self._pid, 0)


def flush_output() -> None:
    """Write what was printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there may be none, or a closed one
            stream.flush()


class _Nurse:
    """What happens in the nursery.

    Args:
        control: On which children are asked for.
        labour: What each of them does.
    """

    def __init__(self, control: socket.socket, labour: Callable[[socket.socket], None]) -> None:
        self._control = control
        self._labour = labour
        self._obituaries: dict[int, int] = {}  # pipe, by child
        self._bell, self._button = socket.socketpair()  # rings when a child has died
        self._bell.setblocking(False)
        self._button.setblocking(False)

    def run(self, mask: set[int]) -> None:
        """Fork until nobody can ask for it any more, then kill."""
        gc.freeze()  # what is never collected stays shared with the children
        _take_signals_lightly()
        signal.signal(signal.SIGCHLD, _do_nothing)
        signal.set_wakeup_fd(self._button.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if self._bell.fileno() in ready:
                self._bell.recv(4096)
            self._tell_of_the_dead()
            if self._control.fileno() in ready:
                asked, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
                if not asked:
                    break
                self._bear(*descriptors)
        for child in self._obituaries:
            os.kill(child, signal.SIGKILL)
        self._close()

    def _bear(self, line: int, obituary: int) -> None:
        try:
            child = os.fork()
        except OSError as error:
            os.write(obituary, f"could not be forked: {error.strerror}".encode())
            os.close(obituary)
        else:
            if child == 0:
                self._grow_up(obituary)
                _end_with(lambda: self._labour(socket.socket(fileno=line)))
            self._obituaries[child] = obituary
        os.close(line)

    def _grow_up(self, obituary: int) -> None:
        """Forget, in a new child, what belongs to the nursery and to others."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (obituary, *self._obituaries.values()):
            os.close(descriptor)
        self._close()

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        for sock in (self._control, self._bell, self._button):
            sock.close()

    def _tell_of_the_dead(self) -> None:
        while self._obituaries:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            obituary = self._obituaries.pop(child)
            with contextlib.suppress(BrokenPipeError):  # nobody wants to know
                os.write(obituary, b"%d" % status)
            os.close(obituary)


def _take_signals_lightly() -> None:
    """Leave it to the worker to decide what ^C, or the end of a service, means for the jobs.

    A function that does nothing, unlike SIG_IGN, is not passed on to programs that a job starts.
    """
    for number in _SIGNALS:
        signal.signal(number, _do_nothing)


def _do_nothing(*_: object) -> None:
    pass


def _end_with(work: Callable[[], None]) -> NoReturn:
    """End a forked process after some work, whatever comes of it: the rest of the program is not for it."""
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001  # there is nobody above who could be told
        sys.excepthook(*sys.exc_info())
    finally:
        flush_output()
        os._exit(status)
