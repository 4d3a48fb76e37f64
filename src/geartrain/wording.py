# SPDX-License-Identifier: MIT
"""Numbers in messages: ``1 job``, ``2 jobs``."""

__all__ = ["counted"]


def counted(number: float, one: str, many: str = "") -> str:
    """Return a number and its words: the plural for anything but 1.

    Args:
        number: The number; a float is written in its shortest form.
        one: The words behind 1, such as ``running job`` or ``job waits``.
        many: The words behind other numbers; if left out, ``one`` with an ``s``.
    """
    words = one if number == 1 else many or f"{one}s"
    return f"{number} {words}" if isinstance(number, int) else f"{number:g} {words}"
