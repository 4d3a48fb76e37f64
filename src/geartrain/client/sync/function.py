# SPDX-License-Identifier: MIT
"""Typed functions of a blocking client. Its twin is `geartrain.client.aio.function`."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Generic, Protocol, overload

from geartrain.client.remote import Arguments, ParametersT, Remote, ReturnT
from geartrain.client.sync.job import SubmittedJob
from geartrain.records import Handle, JobRequest

__all__ = ["Binding", "RemoteFunction"]


class RemoteFunction(Remote[ParametersT, ReturnT], Generic[ParametersT, ReturnT]):
    """A function of workers that is called with its own arguments.

    ::

        @client.function
        def resize(image_id: int, width: int = 200) -> str:
            raise NotImplementedError  # workers have the real one

        path = resize.do(7, width=100)
        job = resize.with_options(priority=Priority.HIGH).submit(7)

    Arguments are checked against the annotations before anything is sent. The result, and the parts of it that a worker
    sends before the end, are decoded and checked against the annotation of the result.

    Attributes:
        signature: The arguments and the result.
    """

    def do(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ReturnT:
        """Do a job and return its result; see `Client.do` for the errors.

        Raises:
            ArgumentError: The function does not take these arguments.
        """
        workload = self.bind(*args, **kwargs)
        result: ReturnT = self._caller().do(self._name, workload, **self._options_for("do"))
        return result

    def submit(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> SubmittedJob[ReturnT]:
        """Submit a job and return at once; see `do` for the arguments."""
        workload = self.bind(*args, **kwargs)
        job: SubmittedJob[ReturnT] = self._caller().submit(self._name, workload, **self._options_for("submit"))
        return job

    def submit_many(self, calls: Iterable[Arguments[ParametersT]]) -> list[SubmittedJob[ReturnT]]:
        """Submit jobs for calls that `bind` returned, with one write for each server."""
        options = self._options_for("submit_many")
        requests = [JobRequest(self._name, call, **options) for call in calls]
        jobs: list[SubmittedJob[ReturnT]] = self._caller().submit_many(requests)
        return jobs

    def enqueue(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Handle:
        """Submit a background job, and return its handle once a server has it; see `do` for the arguments."""
        workload = self.bind(*args, **kwargs)
        options = self._options_for("enqueue")
        handle: Handle = self._caller().enqueue(self._name, workload, **options)
        return handle

    submit_background = enqueue

    def map(self, calls: Iterable[Arguments[ParametersT]]) -> Iterator[ReturnT]:
        """Yield the results of calls that `bind` returned, in order, of any number; see `Client.map`.

        ::

            resize.map(resize.bind(number, width=100) for number in range(1000))
        """
        results: Iterator[ReturnT] = self._caller().map(self._name, calls, **self._options_for("map"))
        return results

    def map_unordered(
        self, calls: Iterable[Arguments[ParametersT]]
    ) -> Iterator[tuple[Arguments[ParametersT], ReturnT]]:
        """Yield calls that `bind` returned, each with its result, as they end; see `Client.map_unordered`."""
        options = self._options_for("map_unordered")
        results: Iterator[tuple[Arguments[ParametersT], ReturnT]] = self._caller().map_unordered(
            self._name, calls, **options
        )
        return results


class Binding(Protocol):
    """The result of ``@client.function("name")``, which takes the same functions as ``@client.function``."""

    @overload
    def __call__(self, function: Remote[ParametersT, ReturnT], /) -> RemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(
        self, function: Callable[ParametersT, Coroutine[Any, Any, ReturnT]], /
    ) -> RemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(self, function: Callable[ParametersT, ReturnT], /) -> RemoteFunction[ParametersT, ReturnT]: ...
