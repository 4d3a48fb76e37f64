# SPDX-License-Identifier: MIT
"""Fixtures of the commands' tests: both servers."""

from tests.job_servers import server

__all__ = ["server"]
