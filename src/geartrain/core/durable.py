# SPDX-License-Identifier: MIT
"""The base of everything that a store keeps: jobs, and schedules of jobs."""

from mypy_extensions import i64, mypyc_attr

from geartrain.core.record import JobRecord
from geartrain.protocol._binary import BytesWriter

__all__ = ["Durable"]


@mypyc_attr(acyclic=True)  # see `Job`
class Durable:
    """An object that a store keeps under its number.

    Attributes:
        number: Its key; numbers only grow, so they are also the order.
        workload: The workload, by far the largest part.
        is_durable: A store has it, or it is on its way there.
        batch: The batch of the commit queue to which it was added; 0 for none.
    """

    __slots__ = ("batch", "is_durable", "number", "workload")

    def __init__(self, number: i64, workload: bytes) -> None:
        self.number = number
        self.workload = workload
        self.batch: i64 = 0
        self.is_durable = False  # the last, so that the small fields of jobs are beside it

    @property
    def has_ended(self) -> bool:
        """True if a store need not keep it any more."""
        raise AssertionError("subclasses override this")

    def record(self) -> JobRecord:
        """Return its record for a store."""
        raise AssertionError("subclasses override this")

    def pack_plain(self, buffer: BytesWriter) -> bool:
        """Write the record in its plain layout, or return False if it needs the whole one."""
        return False
