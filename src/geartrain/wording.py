# SPDX-License-Identifier: MIT
"""Parts of messages: numbers with their words, as in ``1 job`` and ``2 jobs``, and ``did you mean``."""

from collections.abc import Iterable

__all__ = ["counted", "did_you_mean"]


def counted(number: float, one: str, many: str = "") -> str:
    """Return a number and its words: the plural for anything but 1.

    Args:
        number: The number; a float is written in its shortest form.
        one: The words behind 1, such as ``running job`` or ``job waits``.
        many: The words behind other numbers; if left out, ``one`` with an ``s``.
    """
    words = one if number == 1 else many or f"{one}s"
    return f"{number} {words}" if isinstance(number, int) else f"{number:g} {words}"


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return the end of a message about an unknown name: the closest known one, or nothing if none is close.

    Args:
        name: The unknown name.
        known: The names that exist.
        prefix: Put before the known name, such as the dashes of an option.
    """
    from difflib import get_close_matches  # with re and collections behind it, for messages about mistakes alone

    close = get_close_matches(name, known, n=1)
    return f"; did you mean '{prefix}{close[0]}'?" if close else ""
