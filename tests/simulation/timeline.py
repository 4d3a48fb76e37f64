# SPDX-License-Identifier: MIT
"""Simulated time: a queue of events, two clocks, and streams of chance that depend on the seed alone."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from hashlib import blake2b

__all__ = ["Chances", "Clock", "Timeline", "Timer", "Trace", "Violation"]

_SHOWN = 60  # events that a failure shows


class Violation(AssertionError):
    """An invariant does not hold."""


class Timer:
    """A callback at a time, which can be cancelled."""

    __slots__ = ("arguments", "callback")

    def __init__(self, callback: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        """Do not call it."""
        self.callback = None


class Timeline:
    """Runs callbacks in the order of their times, those of one time in the order in which they were added.

    Attributes:
        now: Seconds since the start.
        steps: Number of callbacks that have run.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._events: list[tuple[float, int, Timer]] = []
        self._added = 0

    def call_at(self, when: float, callback: Callable[..., object], *arguments: object) -> Timer:
        """Run a callback at a time, now at the earliest."""
        timer = Timer(callback, arguments)
        self._added += 1
        heapq.heappush(self._events, (max(when, self.now), self._added, timer))
        return timer

    def call_later(self, seconds: float, callback: Callable[..., object], *arguments: object) -> Timer:
        """Run a callback after some seconds."""
        return self.call_at(self.now + seconds, callback, *arguments)

    def step(self) -> bool:
        """Run the next callback; return False if there is none."""
        while self._events:
            when, _, timer = heapq.heappop(self._events)
            callback = timer.callback
            if callback is not None:
                self.now = when
                self.steps += 1
                callback(*timer.arguments)
                return True
        return False


class Clock:
    """The two clocks of a machine, as `geartrain.core.Clock` has them.

    Attributes:
        offset: Seconds by which the wall clock is ahead; a fault changes it.
        latest: The latest time that the wall clock has shown.
        jumps: The monotonic time of each jump, and the times of the wall clock before and after it.
    """

    def __init__(self, timeline: Timeline, offset: float = 1_700_000_000.0) -> None:
        self._timeline = timeline
        self.offset = offset
        self.latest = offset
        self.jumps: list[tuple[float, float, float]] = []

    def monotonic(self) -> float:
        """Return a time that never jumps."""
        return self._timeline.now

    def time(self) -> float:
        """Return seconds since the epoch."""
        now = self._timeline.now + self.offset
        self.latest = max(self.latest, now)
        return now

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        before = self.time()
        self.offset += seconds
        self.jumps.append((self._timeline.now, before, self.time()))


class Chances:
    """Streams of random numbers by name, so that one more draw in one place does not change all others."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def of(self, name: str) -> random.Random:
        """Return a new stream."""
        return random.Random(f"{self._seed} {name}")


class Trace:
    """All events of a simulation: a digest of all of them, and the last ones in full."""

    def __init__(self, timeline: Timeline, *, is_printed: bool = False) -> None:
        self._timeline = timeline
        self._is_printed = is_printed
        self._digest = blake2b(digest_size=8)
        self._last: deque[str] = deque(maxlen=_SHOWN)

    def note(self, *parts: object) -> None:
        """Add an event."""
        line = f"{self._timeline.now:.6f} " + " ".join([str(part) for part in parts])
        self._digest.update(line.encode())
        self._last.append(line)
        if self._is_printed:
            print(line)

    @property
    def digest(self) -> str:
        """The digest of all events so far."""
        return self._digest.hexdigest()

    @property
    def last(self) -> str:
        """The last events, one a line."""
        return "\n".join(self._last)
