# SPDX-License-Identifier: MIT
"""Changes to a store, as values.

A commit takes a sequence of changes and stores all of them or none. Within a commit `Forget` comes before `Put` and
`PutNew`, and no number is in more than one change: a job that ended and a new one with the same unique can then never
be taken for each other.

Each engine has one method per class of change, and a table from the class to the method.
"""

from typing import TypeAlias

from geartrain.core.packing import split, unpack_all
from geartrain.core.record import JobRecord

__all__ = ["Change", "Forget", "Put", "PutNew", "Reserve"]


class PutNew:
    """Store jobs that the store has never had.

    Args:
        numbers: Their numbers, ascending.
        packed: The jobs in the same order, packed by `geartrain.core.packing` and joined.
    """

    __slots__ = ("numbers", "packed")

    def __init__(self, numbers: list[int], packed: bytes) -> None:
        self.numbers = numbers
        self.packed = packed

    def pairs(self) -> list[tuple[int, bytes]]:
        """Return each job as its number and its packed record."""
        return list(zip(self.numbers, split(self.packed), strict=True))

    def records(self) -> list[JobRecord]:
        """Return each job as a record."""
        return unpack_all(self.packed)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PutNew):
            return NotImplemented
        return self.numbers == other.numbers and self.packed == other.packed

    def __repr__(self) -> str:
        return f"PutNew({self.records()!r})"


class Put:
    """Store jobs; a job replaces what the store has under its number.

    Args:
        records: The jobs.
    """

    __slots__ = ("records",)

    def __init__(self, records: list[JobRecord]) -> None:
        self.records = records

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Put):
            return NotImplemented
        return self.records == other.records

    def __repr__(self) -> str:
        return f"Put({self.records!r})"


class Forget:
    """Delete jobs.

    Args:
        numbers: Their numbers; some of them may not be known.
    """

    __slots__ = ("numbers",)

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Forget):
            return NotImplemented
        return self.numbers == other.numbers

    def __repr__(self) -> str:
        return f"Forget({self.numbers!r})"


class Reserve:
    """Reserve all numbers up to one, so that no later server uses them again.

    Args:
        until: The highest reserved number. A server that stops may lower it.
    """

    __slots__ = ("until",)

    def __init__(self, until: int) -> None:
        self.until = until

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reserve):
            return NotImplemented
        return self.until == other.until

    def __repr__(self) -> str:
        return f"Reserve({self.until})"


Change: TypeAlias = PutNew | Put | Forget | Reserve
