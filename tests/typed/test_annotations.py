# SPDX-License-Identifier: MIT
"""Recognition of functions that take the job, and of functions that take its arguments."""

import functools
from collections.abc import Callable
from typing import Any, Union

import pytest

from geartrain.typed import Signature, is_job_function


class Job:
    """A stand-in for the class of jobs."""


def plain(job): ...  # type: ignore[no-untyped-def]  # which is the point
def returns(job) -> bytes: ...  # type: ignore[no-untyped-def, empty-body]
def annotated(job: Job) -> None: ...
def quoted(job: "Job") -> None: ...
def for_checkers(job: "elsewhere.Job") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def union(job: Job | None) -> None: ...
def old_union(job: Union[Job, int]) -> None: ...  # noqa: UP007  # people write it
def loose(job: object) -> None: ...
def wrapped(*args, **kwargs): ...  # type: ignore[no-untyped-def]
def spare(job, verbose=False): ...  # type: ignore[no-untyped-def]


class Handler:
    def method(self, job: Job) -> None: ...
    def __call__(self, job: Job) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        plain,
        returns,
        annotated,
        quoted,
        for_checkers,
        union,
        old_union,
        loose,
        wrapped,
        spare,
        Handler().method,
        Handler(),
        lambda job: job,
        print,
        functools.partial(spare, verbose=True),
    ],
)
def test_these_take_a_job(function: Callable[..., object]) -> None:
    assert is_job_function(function, Job)


def number(image_id: int) -> None: ...
def nothing() -> None: ...
def anything(value: Any) -> None: ...
def with_job(job: Job, image_id: int) -> None: ...
def by_name(*, job: Job) -> None: ...
def two(a, b): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize("function", [number, nothing, anything, with_job, by_name, two])
def test_these_do_not(function: Callable[..., object]) -> None:
    assert not is_job_function(function, Job)


def test_a_job_in_front_of_arguments_is_none_of_them() -> None:
    assert Signature(with_job, "f", job_type=Job).takes_job
    assert not Signature(number, "f", job_type=Job).takes_job
    assert not Signature(number, "f").takes_job
