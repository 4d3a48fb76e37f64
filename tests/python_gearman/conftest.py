# SPDX-License-Identifier: MIT
"""Both servers."""

from tests.job_servers import server

__all__ = ["server"]
