# SPDX-License-Identifier: MIT
"""The client's tests share their servers with all others."""

from tests.client.shells import shell
from tests.job_servers import server

__all__ = ["server", "shell"]
