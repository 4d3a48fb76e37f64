# SPDX-License-Identifier: MIT
"""A process with an event loop on simulated time; the asyncio code of the server runs in it unchanged."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVarTuple

from tests.simulation.timeline import Timeline, Violation

__all__ = ["Process"]

Arguments = TypeVarTuple("Arguments")


class Process(asyncio.AbstractEventLoop):
    """An event loop that runs what is ready in turns, and can be paused or killed at any time.

    Args:
        timeline: Simulated time.
        turn_time: Seconds that a turn takes; all that happens meanwhile is handled together in the next one.
        after_turn: Called after each turn.
    """

    def __init__(self, timeline: Timeline, turn_time: float, after_turn: Callable[[], None]) -> None:
        self._timeline = timeline
        self._turn_time = turn_time
        self._after_turn = after_turn
        self._ready: deque[asyncio.Handle] = deque()
        self._coroutines: dict[asyncio.Task[Any], Generator[Any, None, Any] | Coroutine[Any, Any, Any]] = {}
        self._is_planned = False
        self._free_at = 0.0
        self._error: BaseException | None = None
        self.is_dead = False

    def pause(self, seconds: float) -> None:
        """Run nothing for some time, as after SIGSTOP."""
        self._free_at = max(self._free_at, self._timeline.now + seconds)

    @property
    def is_paused(self) -> bool:
        """True while it runs nothing."""
        return self._free_at > self._timeline.now + self._turn_time

    def kill(self) -> None:
        """Run nothing any more."""
        self.is_dead = True
        self._ready.clear()
        for coroutine in self._coroutines.values():  # now, rather than when they are collected
            coroutine.close()
        self._coroutines.clear()

    # As asyncio calls it.

    def time(self) -> float:
        """Return the time of deadlines."""
        return self._timeline.now

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback in the next turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._add(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback after some seconds."""
        return self.call_at(self._timeline.now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback at a time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timeline.call_at(when, self._add, handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a new future."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """Start a task."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **options)
        self._coroutines[task] = coro
        task.add_done_callback(self._coroutines.pop)
        return task

    def get_debug(self) -> bool:
        """Tell that debugging is off."""
        return False

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return not self.is_dead

    def is_closed(self) -> bool:
        """Tell whether the process has ended."""
        return self.is_dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep an error that a callback did not handle; that a task of a dead process never ends is none."""
        if not self.is_dead:
            self._error = context.get("exception") or Violation(context["message"])

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is skipped when it is due."""

    # Turns.

    def _add(self, handle: asyncio.Handle) -> None:
        if not self.is_dead and not handle.cancelled():
            self._ready.append(handle)
            self._plan()

    def _plan(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            self._timeline.call_at(self._free_at, self._turn)

    def _turn(self) -> None:
        self._is_planned = False
        if self.is_dead:
            return
        if self._free_at > self._timeline.now:  # it was paused
            self._plan()
            return
        asyncio._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
                if self.is_dead:
                    break
        finally:
            asyncio._set_running_loop(None)
        if self._error is not None:
            raise Violation(f"an internal error: {self._error!r}") from self._error
        self._free_at = self._timeline.now + self._turn_time
        if self._ready:
            self._plan()
        self._after_turn()
