# SPDX-License-Identifier: MIT
"""Policies: the operator's rules for the jobs of a function.

A policy is immutable. Each queue refers to the policy in force for its function; a reload replaces it. Functions with
equal rules share one policy.
"""

from dataclasses import dataclass

from geartrain.core.options import JobServerOptions

__all__ = ["FunctionPolicy", "PolicyTable"]


@dataclass(frozen=True)
class FunctionPolicy:
    """The rules for each job of a function.

    Attributes:
        timeout: Seconds that a job may run at a worker that set no timeout of its own; 0 for no limit.
        lost_retries: Further attempts after a lost worker or a timeout; -1 for any number.
    """

    timeout: float = 0.0
    lost_retries: int = -1


class PolicyTable:
    """The policies in force.

    Args:
        options: The options that set the policies.
    """

    __slots__ = ("_default",)

    def __init__(self, options: JobServerOptions) -> None:
        self._default = FunctionPolicy()
        self.replace(options)

    def replace(self, options: JobServerOptions) -> None:
        """Apply other options; each queue must resolve its policy again afterwards."""
        retries = options.job_retries
        # gearmand counts the first attempt, and ends a job at its first loss for both 0 and 1.
        self._default = FunctionPolicy(options.job_timeout, retries if retries < 0 else max(retries - 1, 0))

    def resolve(self, function: bytes) -> FunctionPolicy:
        """Return the policy of a function."""
        return self._default
