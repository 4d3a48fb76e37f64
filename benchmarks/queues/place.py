# SPDX-License-Identifier: MIT
"""What a process of a contestant is told by the benchmark: where the broker is, and how it is to be set up."""

import os
from dataclasses import dataclass

__all__ = ["Place"]

_BROKER = "BENCHMARK_BROKER"
_SETTINGS = "BENCHMARK_SETTINGS"
_STAMPS = "BENCHMARK_STAMPS"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contestant works.

    It travels in the environment, as some systems start their processes themselves.

    Attributes:
        port: Where the broker listens on this machine.
        settings: Which of the settings of its system a contestant has.
        stamps: The file in which a worker notes when it did each job.
    """

    port: int
    settings: str
    stamps: str

    @classmethod
    def of_this_process(cls) -> "Place":
        """Read what `environment` wrote."""
        return cls(int(os.environ[_BROKER]), os.environ[_SETTINGS], os.environ[_STAMPS])

    @property
    def broker(self) -> str:
        """The broker's address."""
        return f"127.0.0.1:{self.port}"

    @property
    def redis(self) -> str:
        """The broker's address as the users of Redis write it."""
        return f"redis://{self.broker}/0"

    def environment(self) -> dict[str, str]:
        """Return the variables that say this."""
        return {_BROKER: str(self.port), _SETTINGS: self.settings, _STAMPS: self.stamps}
