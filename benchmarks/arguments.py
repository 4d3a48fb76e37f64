# SPDX-License-Identifier: MIT
"""Argument types of the benchmark commands."""

import argparse

__all__ = ["positive"]


def positive(text: str) -> int:
    """Read a number of at least 1.

    Raises:
        argparse.ArgumentTypeError: It is less.
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number
