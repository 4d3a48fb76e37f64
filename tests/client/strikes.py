# SPDX-License-Identifier: MIT
"""Exceptions raised where CPython runs signal handlers: at every such point of a call, one after the other.

CPython looks for signals after certain instructions, so an exception can appear between any of these and the next one,
also in ``except`` and ``finally``. A tracing function counts the points and raises at a chosen one.
"""

import dis
import gc
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

__all__ = ["Strike", "Striker"]

# Instructions after which signal handlers run, by the beginnings of their names: 3.11 has JUMP_BACKWARD and
# POP_JUMP_BACKWARD_IF_*, and from 3.12 on the first alone; CALL* covers CALL_FUNCTION_EX and CALL_KW (3.13).
_CHECKING: Final = ("RESUME", "CALL", "JUMP_BACKWARD", "POP_JUMP_BACKWARD")
_CHECKED_OPCODES: Final = frozenset(
    code for name, code in dis.opmap.items() if name.startswith(_CHECKING) and not name.endswith("NO_INTERRUPT")
)
_RESUME: Final = dis.opmap["RESUME"]


class Strike(BaseException):
    """The exception of a signal handler."""


class Striker:
    """Calls a function in this thread, and raises `Strike` in it.

    Args:
        first: The number of the point, from 1 on, of the first strike.
        second: The number of the point after that of the second one; 0 for no second one.
        within: A part of the paths of the files in whose code it strikes; by default any.

    Attributes:
        strikes: The number of strikes so far.
    """

    def __init__(self, first: int, second: int = 0, *, within: str = "") -> None:
        self.strikes = 0
        self._within = within
        self._points = 0
        self._targets = [first, second] if second else [first]
        self._last: dict[int, int] = {}  # by frame, the opcode before the next one
        self._code: dict[CodeType, bytes] = {}

    def call(self, function: Callable[[], object]) -> None:
        """Call the function. A strike that is raised out of it ends here.

        Garbage is not collected meanwhile: a strike in the finalizer of what an earlier test has left, such as a
        client, would leave its threads and connections open for ever.
        """
        gc.disable()
        sys.settrace(self._trace)
        try:
            function()
        except Strike:
            pass
        finally:
            sys.settrace(None)
            sys.setprofile(None)
            gc.enable()

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if self._within not in frame.f_code.co_filename:
            return None
        if event == "call":
            frame.f_trace_opcodes = True
            self._last[id(frame)] = _RESUME
            return self._trace
        if event == "return":
            self._last.pop(id(frame), None)
        if event == "exception":
            self._last[id(frame)] = 0  # no handler runs between an instruction that fails and ``except`` or ``with``
        if event == "opcode" and self._targets:
            self._pass(frame)
        return self._trace

    def _pass(self, frame: FrameType) -> None:
        code = self._code.get(frame.f_code)
        if code is None:
            code = self._code[frame.f_code] = frame.f_code.co_code
        previous = self._last.get(id(frame), 0)
        self._last[id(frame)] = code[frame.f_lasti]
        if previous in _CHECKED_OPCODES:
            self._points += 1
            if self._points == self._targets[0]:
                self._strike()

    def _strike(self) -> None:
        del self._targets[0]
        self.strikes += 1
        self._points = 0
        if self._targets:
            sys.setprofile(self._resume)  # raising ends the tracing
        raise Strike

    def _resume(self, frame: FrameType, event: str, arg: Any) -> None:
        """Trace again, from the first call or return after a strike on."""
        sys.setprofile(None)
        self._last.clear()  # an exception passes through the frames
        if event in ("call", "c_call"):
            self._last[id(frame)] = _RESUME
        outer: FrameType | None = frame
        while outer is not None and outer.f_code is not Striker.call.__code__:
            outer.f_trace = self._trace
            outer.f_trace_opcodes = True
            outer = outer.f_back
        sys.settrace(self._trace)
