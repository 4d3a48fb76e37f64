# SPDX-License-Identifier: MIT
"""The parameters of a function: a job, or annotated arguments."""

import inspect
import sys
from collections.abc import Callable
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

if sys.version_info >= (3, 14):
    from annotationlib import Format

__all__ = ["AnyFunction", "arguments_of", "is_job_function", "takes_job"]

AnyFunction: TypeAlias = Callable[..., object]

_EMPTY = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def is_job_function(function: AnyFunction, job_type: type) -> bool:
    """Return True if a function is to be called with the job alone.

    That is a function with one parameter, without an annotation or with one that accepts a job. It is also a function
    without any annotation that can be called with one argument, as the results of decorators often can.

    Raises:
        TypeError: The annotations cannot be evaluated.
    """
    try:
        signature = _read(function, job_type)
    except ValueError:  # it is written in C, without a signature
        return True
    parameters = list(signature.parameters.values())
    if len(parameters) == 1 and parameters[0].kind in _POSITIONAL and _may_be_job(parameters[0], job_type):
        return True
    if not parameters or any(parameter.annotation is not _EMPTY for parameter in parameters):
        return False
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def takes_job(function: AnyFunction, job_type: type | None) -> bool:
    """Return True if the first parameter of a function is annotated as the job."""
    parameters = list(_read(function, job_type).parameters.values())
    return bool(parameters) and job_type is not None and parameters[0].annotation is job_type


def arguments_of(function: AnyFunction, name: str, job_type: type | None = None) -> inspect.Signature:
    """Return a function's signature without the leading job; each parameter and the result have an annotation.

    Args:
        function: The function.
        name: Its name in messages.
        job_type: The annotation of a parameter for the job.

    Raises:
        TypeError: A parameter has no annotation, is variadic, or is the job and not the first one.
    """
    signature = _read(function, job_type)
    parameters = list(signature.parameters.values())[takes_job(function, job_type) :]
    for parameter in parameters:
        if parameter.kind in _VARIADIC:
            raise TypeError(
                f"{name}() has the parameter {parameter}: a function takes a job, or arguments that are annotated one "
                "by one; a decorator keeps them with functools.wraps"
            )
        if parameter.annotation is _EMPTY:
            hint = "; of a class, add the method of an object" if parameter.name == "self" else ""
            raise TypeError(
                f"{name}(): the parameter {parameter.name} has no annotation: a function takes one parameter, a job, "
                f"or arguments that are all annotated{hint}"
            )
        if job_type is not None and parameter.annotation is job_type:
            raise TypeError(f"{name}(): {parameter.name} is the job, which has to be the first parameter")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{name}() yields parts of a result, but a function with annotated arguments returns one value: return a "
            "list, or take the job as the first parameter and send the parts with job.data()"
        )
    returns = Any if signature.return_annotation is _EMPTY else signature.return_annotation
    return signature.replace(parameters=parameters, return_annotation=returns)


def _read(function: AnyFunction, job_type: type | None) -> inspect.Signature:
    """Return a function's signature; annotations that are written as text are evaluated."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        signature = _as_written(function)
        parameters = list(signature.parameters.values())
        # Programs often import the type of jobs for type checkers only.
        if job_type is not None and len(parameters) == 1 and _names(parameters[0].annotation, job_type):
            return signature.replace(parameters=[parameters[0].replace(annotation=job_type)])
        raise TypeError(
            f"the annotations of {function!r} cannot be read: {error}; the name has to exist at run time, and not for "
            "type checkers alone"
        ) from None


def _as_written(function: AnyFunction) -> inspect.Signature:
    """Return a function's signature with its annotations as text, for those that cannot be evaluated."""
    if sys.version_info >= (3, 14):  # which otherwise evaluates even annotations that were not written as text
        return inspect.signature(function, annotation_format=Format.STRING)
    return inspect.signature(function)


def _may_be_job(parameter: inspect.Parameter, job_type: type) -> bool:
    annotation = parameter.annotation
    choices = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return not {_EMPTY, *job_type.__mro__}.isdisjoint(choices)


def _names(annotation: object, job_type: type) -> bool:
    return isinstance(annotation, str) and annotation.rpartition(".")[2] == job_type.__name__
