# SPDX-License-Identifier: MIT
"""The arguments and the result of a typed function, in Python and in JSON."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from geartrain.errors import ArgumentError, CodecError
from geartrain.typed.annotations import AnyFunction, arguments_of, takes_job
from geartrain.typed.jsontype import JsonLibrary, JsonType
from geartrain.typed.library import library
from geartrain.wording import counted

__all__ = ["Signature"]

_EMPTY = inspect.Parameter.empty
_BY_PLACE = inspect.Parameter.POSITIONAL_ONLY
_BY_NAME = inspect.Parameter.KEYWORD_ONLY


class Signature:
    """The arguments and the result of a function, in Python and in JSON.

    Args:
        function: The function, whose signature is read; it is never called.
        name: Its name in messages.
        job_type: The annotation of a first parameter that is the job instead of an argument.

    Attributes:
        name: Its name in messages.
        takes_job: True if the first parameter is the job.

    Raises:
        TypeError: A parameter has no annotation, or one that JSON has no form for; or the function has ``*args`` or
            ``**kwargs``.
    """

    def __init__(self, function: AnyFunction, name: str, *, job_type: type | None = None) -> None:
        self.name = name
        self.takes_job = takes_job(function, job_type)
        self._signature = arguments_of(function, name, job_type)
        self._parameters = self._signature.parameters
        self._library = library()
        self._arguments = {
            parameter.name: _form(self._library, parameter.annotation, f"{name}(): {parameter.name}")
            for parameter in self._parameters.values()
        }
        self._result = _form(self._library, self._signature.return_annotation, f"the result of {name}()")
        # For messages: the arguments without the result.
        self._shown = str(self._signature.replace(return_annotation=inspect.Signature.empty))

    def __repr__(self) -> str:
        return f"<Signature {self.name}{self._shown} -> {self._result}>"

    # For the client

    def encode_arguments(self, arguments: Sequence[object], by_name: Mapping[str, object]) -> bytes:
        """Return the arguments of a call as JSON, checked as the worker will check them.

        Raises:
            ArgumentError: The function does not take these arguments.
        """
        try:
            bound = self._signature.bind(*arguments, **by_name)
        except TypeError as error:
            raise ArgumentError(f"{self.name}(): {error}; it takes {self._shown}") from None
        encoded = (
            json.dumps(name, ensure_ascii=False).encode() + b":" + self._encoded(name, value)
            for name, value in bound.arguments.items()
        )
        return b"{" + b",".join(encoded) + b"}"

    def decode_result(self, data: bytes) -> Any:
        """Return the function's result from JSON.

        Raises:
            CodecError: The bytes are not JSON of the annotated type.
        """
        try:
            return self._result.decode(data or b"null")  # workers in other languages send nothing for no result
        except ValueError as error:
            raise CodecError(
                f"{self._result.problem(error, f'the result of {self.name}()')}, in {data[:80]!r}"
            ) from error

    def _encoded(self, name: str, value: object) -> bytes:
        form = self._arguments[name]
        try:
            encoded = form.encode(value)
            form.decode(encoded)
        except (TypeError, ValueError, OverflowError) as error:
            raise ArgumentError(f"{self.name}(): {form.problem(error, name)}") from None
        return encoded

    # For the worker

    def decode_arguments(self, workload: bytes) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and the keyword arguments of a workload.

        Raises:
            ArgumentError: The function does not take these arguments.
        """
        given = self._given(workload)
        by_place: list[Any] = []
        by_name: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            if name not in given and parameter.default is _EMPTY:
                raise ArgumentError(f"{self.name}(): {name} ({self._arguments[name]}) is missing")
            if parameter.kind is _BY_PLACE:
                by_place.append(self._decoded(name, given[name]) if name in given else parameter.default)
            elif name in given:
                by_name[name] = self._decoded(name, given[name])
        return by_place, by_name

    def encode_result(self, value: object) -> bytes:
        """Return a result as JSON.

        Raises:
            TypeError: JSON has no form for the result.
        """
        return self._result.encode(value)

    def _given(self, workload: bytes) -> Mapping[str, bytes]:
        """Return the arguments of a workload by their names, each still as JSON."""
        try:
            given = self._library.split(workload or b"{}")
        except ValueError as error:
            hint = "" if self._parameters else "; a function that takes the job itself has a parameter for it"
            raise ArgumentError(
                f"{self.name}() takes its arguments as a JSON object or array: {error}, in {workload[:80]!r}{hint}"
            ) from None
        if isinstance(given, list):
            places = [name for name, parameter in self._parameters.items() if parameter.kind is not _BY_NAME]
            if len(given) > len(places):
                raise ArgumentError(
                    f"{self.name}(): {counted(len(given), 'argument')} without a name; it takes {self._shown}"
                )
            return dict(zip(places, given, strict=False))
        for name in given:
            if name not in self._parameters:
                raise ArgumentError(f"{self.name}(): there is no argument {name!r}; it takes {self._shown}")
        return given

    def _decoded(self, name: str, data: bytes) -> object:
        form = self._arguments[name]
        try:
            return form.decode(data)
        except ValueError as error:
            raise ArgumentError(f"{self.name}(): {form.problem(error, name)}") from None


def _form(library: JsonLibrary, annotation: object, where: str) -> JsonType:
    try:
        return library.of(annotation)
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None
