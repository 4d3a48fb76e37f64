# SPDX-License-Identifier: MIT
"""Which of many conversations a server does not bear, and which of its pieces.

What was said is kept in a file, one conversation a line: the server that it was with, and the list of its pieces, as
Python writes them. It can be said again: ``make fuzz ARGS='--again FILE'``.
"""

import ast
import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.fuzz.attackers import Said
from tests.fuzz.fuzzing import Fuzzing

__all__ = ["Conversation", "fault_of", "read", "shrink", "smallest", "write"]

Item = TypeVar("Item")
Conversation = tuple[str, Said]


def write(conversations: Sequence[Conversation], file: Path) -> None:
    """Keep conversations."""
    file.write_text("".join(f"{conversation!r}\n" for conversation in conversations))


def read(file: Path) -> list[Conversation]:
    """Return conversations that were kept."""
    return [ast.literal_eval(line) for line in file.read_text().splitlines()]


def fault_of(conversations: Sequence[Conversation]) -> str:
    """Say something again to new servers, and return what is wrong with them afterwards, or nothing."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, Fuzzing(0, Path(folder)) as fuzzing:
        try:
            asyncio.run(fuzzing.repeat(conversations))
        except AssertionError as fault:
            return str(fault)
    return ""


def smallest(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Return as little of what was said as is wrong on its own, or nothing if that takes more than its bytes."""
    if not fault_of(conversations):
        return []
    few = shrink(conversations, lambda some: bool(fault_of(some)))
    if len(few) > 1:
        return few
    [(name, said)] = few
    return [(name, shrink(said, lambda some: bool(fault_of([(name, list(some))]))))]


def shrink(items: Sequence[Item], is_wrong: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Return a part of the items that is wrong still, and of which no half, quarter and so on can be left out."""
    left = list(items)
    size = len(left) // 2
    while size:
        for begin in range(0, len(left), size):
            fewer = left[:begin] + left[begin + size :]
            if fewer and is_wrong(fewer):
                left = fewer
                break
        else:
            size //= 2
    return left
