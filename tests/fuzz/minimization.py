# SPDX-License-Identifier: MIT
"""Minimization of failing input: the smallest set of conversations, and of pieces of one, that fails.

Conversations are saved in a file, one per line: the name of the server and the list of pieces, as Python literals.
``make fuzz ARGS='--again FILE'`` replays them.
"""

import ast
import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.fuzz.attackers import Sent
from tests.fuzz.fuzzing import Fuzzing

__all__ = ["Conversation", "replay", "read", "shrink", "minimize", "write"]

Item = TypeVar("Item")
Conversation = tuple[str, Sent]


def write(conversations: Sequence[Conversation], file: Path) -> None:
    """Save conversations in a file."""
    file.write_text("".join(f"{conversation!r}\n" for conversation in conversations))


def read(file: Path) -> list[Conversation]:
    """Load conversations from a file."""
    return [ast.literal_eval(line) for line in file.read_text().splitlines()]


def replay(conversations: Sequence[Conversation]) -> str:
    """Replay conversations with new servers; return the message of the check that fails, or an empty string."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, Fuzzing(0, Path(folder)) as fuzzing:
        try:
            asyncio.run(fuzzing.repeat(conversations))
        except AssertionError as fault:
            return str(fault)
    return ""


def minimize(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Return the smallest part that fails when replayed, or an empty list if the replay does not fail."""
    if not replay(conversations):
        return []
    few = shrink(conversations, lambda some: bool(replay(some)))
    if len(few) > 1:
        return few
    [(name, said)] = few
    return [(name, shrink(said, lambda some: bool(replay([(name, list(some))]))))]


def shrink(items: Sequence[Item], is_wrong: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Return a failing part of the items, of which no half, quarter and so on can be removed."""
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
