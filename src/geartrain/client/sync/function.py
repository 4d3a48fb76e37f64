# SPDX-License-Identifier: MIT
"""Functions with plain arguments, called by jobs."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, overload

from geartrain.client.remote import Arguments, ParametersT, Remote, ReturnT
from geartrain.client.sync.job import SubmittedJob
from geartrain.names import Text
from geartrain.records import Handle, JobRequest
from geartrain.typed import Signature

if TYPE_CHECKING:
    from geartrain.client.sync.client import Client

__all__ = ["Binding", "RemoteFunction"]


class RemoteFunction(Remote[ParametersT, ReturnT], Generic[ParametersT, ReturnT]):
    """A function that workers have, to be called with its own arguments.

    ::

        @client.function
        def resize(image_id: int, width: int = 200) -> str:
            raise NotImplementedError  # workers have the real one

        path = resize.do(7, width=100)
        job = resize.with_options(priority=Priority.HIGH).submit(7)

    Arguments are held to the annotations before anything is sent. The result is decoded, and held to its own; so are
    the parts that a worker sends ahead of it, which are of the same type.

    Attributes:
        signature: The arguments and the result.
    """

    def __init__(self, name: Text, signature: Signature, client: Callable[[], "Client[Any, Any]"]) -> None:
        super().__init__(name, signature)
        self._client = client

    def do(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ReturnT:
        """Have it done and return what it returns; see `Client.do` for what may go wrong.

        Raises:
            ArgumentError: It does not take these arguments.
        """
        return self._caller().do(self._name, self.bind(*args, **kwargs), **self._options_for("do"))

    def submit(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> SubmittedJob[ReturnT]:
        """Submit a job and return at once; see `do` for the arguments."""
        return self._caller().submit(self._name, self.bind(*args, **kwargs), **self._options_for("submit"))

    def submit_many(self, calls: Iterable[Arguments[ParametersT]]) -> list[SubmittedJob[ReturnT]]:
        """Submit jobs for calls that `bind` returned, with one write for all that go to the same server."""
        options = self._options_for("submit_many")
        return self._caller().submit_many([JobRequest(self._name, call, **options) for call in calls])

    def submit_background(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Handle:
        """Leave a job with a server and return its handle once the server has it; see `do` for the arguments."""
        options = self._options_for("submit_background")
        return self._caller().submit_background(self._name, self.bind(*args, **kwargs), **options)

    def map(self, calls: Iterable[Arguments[ParametersT]]) -> Iterator[ReturnT]:
        """Yield the results of the calls that `bind` returned, in order, however many there are; see `Client.map`.

        ::

            resize.map(resize.bind(number, width=100) for number in range(1000))
        """
        return self._caller().map(self._name, calls, **self._options_for("map"))

    def _caller(self) -> "Client[Arguments[ParametersT], ReturnT]":
        return self._client().with_codec(self._codec())


class Binding(Protocol):
    """What ``@client.function("name")`` is: it takes all that ``@client.function`` takes."""

    @overload
    def __call__(self, function: Remote[ParametersT, ReturnT], /) -> RemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(
        self, function: Callable[ParametersT, Coroutine[Any, Any, ReturnT]], /
    ) -> RemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(self, function: Callable[ParametersT, ReturnT], /) -> RemoteFunction[ParametersT, ReturnT]: ...
