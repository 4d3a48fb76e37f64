# SPDX-License-Identifier: MIT
"""A run of a blocking worker from the main thread: its loop has a separate thread.

Python runs signal handlers in the main thread, between any two instructions, and a handler may raise: for example a
limit by SIGALRM, pytest-timeout, or Ctrl-C in a notebook. If that interrupted the loop, bytes might have been sent but
not recorded, and sending them again would corrupt the results that follow. So the main thread only waits. When it is
interrupted, it stops the loop, and `Worker.run` raises the exception.
"""

import _thread
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from geartrain.transport import Latch
from geartrain.worker.options import Reason

__all__ = ["MainThreadRun"]

_CHECK_INTERVAL = 1.0  # seconds; the system may deliver a signal to another thread, which does not end the wait
_LONGEST_END = 10.0  # seconds for the loop to end after an interruption; a loop leaves its servers within 2 s each

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class MainThreadRun:
    """One run. Call `end` afterwards, again if it is interrupted.

    Args:
        open_log: Called by the thread of the loop before its run.
        close_log: Called by that thread after it.
        ended: Called by `end` with the loop, if there is one.
        on_signal: Called at SIGINT and SIGTERM during the run.
    """

    def __init__(
        self,
        open_log: Callable[[], None],
        close_log: Callable[[], None],
        ended: Callable[[Any], None],
        on_signal: Callable[[], None],
    ) -> None:
        self._loop: Any = None
        self._open_log = open_log
        self._close_log = close_log
        self._report_end = ended
        self._on_signal = on_signal
        self._handlers: dict[int, Any] = {}  # those of the program, while others are set
        self._is_started = False
        self._ended = Latch()
        self._reason: Reason | None = None
        self._error: BaseException | None = None

    def making(self, make_loop: Callable[..., Any]) -> Callable[..., Any]:
        """Return the constructor of a loop that keeps what it makes, also if the caller is interrupted after that."""

        def make(*arguments: Any, **options: Any) -> Any:
            self._loop = make_loop(*arguments, **options)
            return self._loop

        return make

    def run(self) -> Reason:
        """Run the loop in a thread, wait for its end, and return or raise its outcome."""
        for number in _SIGNALS:
            self._handlers[number] = signal.getsignal(number)
            signal.signal(number, self._handle)
        _thread.start_new_thread(self._launch, ())  # one instruction, which an interruption cannot divide
        self._is_started = True
        while not self._ended.wait(_CHECK_INTERVAL):
            pass
        if self._error is not None:
            raise self._error
        assert self._reason is not None, "a loop that does not raise has a reason for leaving"
        return self._reason

    def end(self) -> None:
        """Stop the loop if it still runs, and set the program's signal handlers again."""
        loop = self._loop
        if loop is not None and not self._ended.is_set:
            loop.stop(0.0)
            loop.wake()
            if self._is_started:
                self._ended.wait(_LONGEST_END)
        if loop is not None:
            loop.close()
            self._report_end(loop)
        for number, handler in list(self._handlers.items()):
            if handler is not None:  # else it was not set by Python
                signal.signal(number, handler)
            self._handlers.pop(number, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._on_signal()

    def _launch(self) -> None:
        self._is_started = True
        try:
            # Its start waits for the new thread with a condition, whose lock an interruption could leave held.
            threading.Thread(target=self._run, name="geartrain worker", daemon=True).start()
        except RuntimeError as error:  # no thread is left
            self._error = error
            self._ended.set()

    def _run(self) -> None:
        try:
            self._open_log()
            self._reason = self._loop.run()
        except BaseException as error:  # noqa: BLE001  # `run` raises it
            self._error = error
        try:
            self._close_log()
        finally:
            self._ended.set()
