# SPDX-License-Identifier: MIT
"""Jobs of typed functions: the codec of their arguments, and the call with these."""

from collections.abc import Callable
from typing import Any

from geartrain.codec import Codec
from geartrain.typed import Signature
from geartrain.worker.job import AnyAssignedJob

__all__ = ["codec_of", "with_arguments"]


def codec_of(signature: Signature) -> Codec[Any, Any]:
    """Return the codec that decodes arguments from a workload and encodes a result as JSON."""
    return Codec(f"arguments of {signature.name}", signature.encode_result, signature.decode_arguments)


def with_arguments(function: Callable[..., Any], signature: Signature) -> Callable[[AnyAssignedJob], Any]:
    """Return a callable that takes a job and calls a function with the job's arguments."""

    def call(job: AnyAssignedJob) -> Any:
        positional, keywords = job.value
        return function(job, *positional, **keywords) if signature.takes_job else function(*positional, **keywords)

    return call
