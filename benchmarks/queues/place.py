# SPDX-License-Identifier: MIT
"""Parameters of a contestant's processes: the broker's address and the settings."""

import os
from dataclasses import dataclass

__all__ = ["Place"]

_BROKER = "BENCHMARK_BROKER"
_SETTINGS = "BENCHMARK_SETTINGS"
_STAMPS = "BENCHMARK_STAMPS"


@dataclass(frozen=True, slots=True)
class Place:
    """Parameters of a process.

    They are environment variables, because some systems start their processes themselves.

    Attributes:
        port: The port of the broker on this machine.
        settings: The name of the settings.
        stamps: The file in which a worker records the time of each job.
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
        """The broker's address as a URL for Redis."""
        return f"redis://{self.broker}/0"

    def environment(self) -> dict[str, str]:
        """Return the environment variables."""
        return {_BROKER: str(self.port), _SETTINGS: self.settings, _STAMPS: self.stamps}
