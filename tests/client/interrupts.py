# SPDX-License-Identifier: MIT
"""Exceptions from signal handlers, raised at a chosen place."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FrameType, FunctionType
from typing import Any

__all__ = ["at_calls", "interrupted_in", "raising"]


@contextlib.contextmanager
def interrupted_in(method: Callable[..., object], error: BaseException) -> Iterator[None]:
    """Send real signals to this thread, the main one; their handler raises once, when it strikes in a method."""
    code = _code(method)
    is_over = threading.Event()
    struck = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code is code and not struck.is_set():
                struck.set()
                raise error
            frame = frame.f_back

    def send() -> None:
        while not is_over.wait(0.001) and not struck.is_set():
            signal.pthread_kill(target, signal.SIGUSR1)

    target = threading.get_ident()
    previous = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        is_over.set()
        sender.join()
        signal.signal(signal.SIGUSR1, previous)
    assert struck.is_set()


@contextlib.contextmanager
def at_calls(actions: Mapping[Callable[..., object], Callable[[], object]]) -> Iterator[None]:
    """Do something at the first call of each method in this thread; it may raise an exception."""
    waiting = {_code(method): action for method, action in actions.items()}

    def trace(frame: FrameType, event: str, arg: Any) -> None:
        action = waiting.pop(frame.f_code, None)
        if action is not None:
            action()

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)
    assert not waiting


def raising(error: BaseException) -> Callable[[], object]:
    """Return a function that raises an exception."""

    def fail() -> None:
        raise error

    return fail


def _code(method: Callable[..., object]) -> CodeType:
    assert isinstance(method, FunctionType)
    return method.__code__
