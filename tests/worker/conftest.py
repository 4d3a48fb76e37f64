# SPDX-License-Identifier: MIT
"""Both servers, and workers of every kind."""

from tests.job_servers import server
from tests.worker.shells import shell

__all__ = ["server", "shell"]
