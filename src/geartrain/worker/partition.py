# SPDX-License-Identifier: MIT
"""Partition functions: the parts of their jobs are done by other workers, and the results are joined.

A reduce job (protocol 1.17) names two functions. Its own, the *partition*, splits the workload into parts; each part
becomes a job of the other, the *reducer*, on the same servers; an *aggregate* in the partition's worker joins the
results. The server only carries the reducer's name; the worker does the rest, here as in libgearman.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from geartrain.codec import RAW
from geartrain.worker.job import AnyAssignedJob

__all__ = ["MAX_IN_FLIGHT", "EndsWithItsParts", "Reduction", "is_part", "join_results"]

MAX_IN_FLIGHT = 100  # parts of one job at a time: enough for many workers, and little memory

SubmitT_co = TypeVar("SubmitT_co", bound=Callable[..., object], covariant=True)
AggregateT_co = TypeVar("AggregateT_co", bound=Callable[..., object], covariant=True)


@dataclass(frozen=True, slots=True)
class Reduction(Generic[SubmitT_co, AggregateT_co]):
    """The reducer and the aggregate of a partition function.

    Attributes:
        submit: Submits a part to a reducer, given by its name on the wire.
        reducer: The reducer of jobs that name none; if it is empty, the parts of such a job are sent to the client.
        aggregate: Joins the results of the parts; None for `join_results`.
        max_in_flight: The number of parts of a job that are with the reducer at a time.

    Raises:
        ValueError: The number is below 1.
    """

    submit: SubmitT_co
    reducer: bytes
    aggregate: AggregateT_co | None
    max_in_flight: int

    def __post_init__(self) -> None:
        if self.max_in_flight < 1:
            raise ValueError(f"max_in_flight is a number above 0, not {self.max_in_flight}")


class EndsWithItsParts:
    """A job of a partition function: it ends with the results of its parts, and not by a call."""

    __slots__ = ()

    def fail(self) -> NoReturn:
        """Raise ``RuntimeError``."""
        raise RuntimeError("a partition's job ends with the results of its parts; to fail it, raise geartrain.Fail")

    def complete(self, result: object) -> NoReturn:
        """Raise ``RuntimeError``."""
        self.fail()


def is_part(job: AnyAssignedJob, result: object) -> bool:
    """Return True if the return value of a partition function is a further part."""
    return result is not None and bool(job.encode(result))


def join_results(job: AnyAssignedJob, results: Iterable[bytes]) -> Any:
    """Join the results of the parts: bytes one after the other, the values of a codec as a list."""
    return b"".join(results) if job.codec is RAW else [job.codec.decode(result) for result in results]
