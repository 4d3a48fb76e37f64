# SPDX-License-Identifier: MIT
"""Ctrl-C for commands that run only for a moment."""

import signal

__all__ = ["end_on_interrupt"]


def end_on_interrupt() -> None:
    """Let SIGINT end the process at once and without a traceback, as it ends a program in C.

    Python's own handler sets a flag, which a ``select`` that begins in the same moment does not notice.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
