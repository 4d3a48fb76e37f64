# SPDX-License-Identifier: MIT
"""Functions with plain arguments, as their worker does their jobs."""

from collections.abc import Callable
from typing import Any

from geartrain.codecs import Codec
from geartrain.typed import Signature
from geartrain.worker.job import JobInHand

__all__ = ["codec_of", "with_arguments"]


def codec_of(signature: Signature) -> Codec[Any, Any]:
    """Return what makes arguments of a workload, and JSON of a result."""
    return Codec(f"arguments of {signature.name}", signature.encode_result, signature.decode_arguments)


def with_arguments(function: Callable[..., Any], signature: Signature) -> Callable[[JobInHand], Any]:
    """Return what calls a function with the arguments that a job brings."""

    def call(job: JobInHand) -> Any:
        by_place, by_name = job.value
        return function(job, *by_place, **by_name) if signature.takes_job else function(*by_place, **by_name)

    return call
