# SPDX-License-Identifier: MIT
"""The table of all functions of a server, and the limits of their number and their memory."""

from collections.abc import Callable

from mypy_extensions import i64

from geartrain.core.limits import FUNCTION_WEIGHT, Limit, Refused
from geartrain.core.policy import PolicyTable
from geartrain.core.state import FunctionQueue, Line
from geartrain.protocol.limits import INT64_MAX, MAX_FUNCTION_NAME

__all__ = ["FunctionTable"]


class FunctionTable:
    """The functions, in the order in which they were first named.

    Args:
        policies: The operator's policy for each function.
        most: The maximum number of functions; 0 for no limit.

    Attributes:
        held: The bytes that functions take, as the memory limit counts them.
        room: Returns the bytes that further functions may take.
    """

    __slots__ = ("_by_name", "_last", "_most", "_policies", "held", "room")

    def __init__(self, policies: PolicyTable, most: int) -> None:
        self._by_name: dict[bytes, FunctionQueue] = {}
        self._last: FunctionQueue | None = None  # most submissions are for the same function as the one before
        self._policies = policies
        self._most = most
        self.held: i64 = 0
        self.room: Callable[[], int] = _unlimited

    def __len__(self) -> int:
        return len(self._by_name)

    def queues(self) -> list[FunctionQueue]:
        """Return all functions."""
        return list(self._by_name.values())

    def change_limit(self, most: int) -> None:
        """Change the limit. Functions beyond it stay."""
        self._most = most

    def apply_policies(self) -> None:
        """Resolve the policy of every function again."""
        for queue in self._by_name.values():
            queue.policy = self._policies.resolve(queue.name)

    def get(self, name: bytes) -> FunctionQueue | None:
        """Return the function with that name, or None."""
        return self._by_name.get(name)

    def named(self, name: bytes) -> FunctionQueue:
        """Return the function with that name, created on first use.

        Raises:
            Refused: It would be new, and the limit is reached or the name is too long.
        """
        last = self._last
        if last is not None and last.name == name:
            return last
        queue = self._by_name.get(name)
        if queue is None:
            if len(name) > MAX_FUNCTION_NAME:
                text = f"The name of a function may have {MAX_FUNCTION_NAME} bytes"
                raise Refused(Limit.FUNCTIONS, text, "ARGUMENT_TOO_LARGE")
            if 0 < self._most <= len(self._by_name):
                raise Refused(Limit.FUNCTIONS, f"Too many functions (limit {self._most})")
            if len(name) + FUNCTION_WEIGHT > self.room():
                raise Refused(Limit.MEMORY, "Too much memory for functions")
            queue = self.restored(name)
        self._last = queue
        return queue

    def restored(self, name: bytes) -> FunctionQueue:
        """Return the function with that name for a restored job, without checking the limit."""
        queue = self._by_name.get(name)
        if queue is None:
            queue = self._by_name[name] = FunctionQueue(name, self._policies.resolve(name))
            self.held += len(name) + FUNCTION_WEIGHT
        return queue

    def clear(self) -> None:
        """Remove all functions, with their waiting jobs."""
        for queue in self._by_name.values():
            queue.lines = [Line(), Line(), Line()]
        self._by_name.clear()
        self.held = 0
        self._last = None

    def remove(self, queue: FunctionQueue) -> None:
        """Remove a function that has no worker and no job."""
        del self._by_name[queue.name]
        self.held -= len(queue.name) + FUNCTION_WEIGHT
        if self._last is queue:
            self._last = None


def _unlimited() -> int:
    return INT64_MAX
