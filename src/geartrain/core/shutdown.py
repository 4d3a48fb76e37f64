# SPDX-License-Identifier: MIT
"""Ways to stop a server."""

import enum

__all__ = ["Shutdown"]


class Shutdown(enum.Enum):
    """How the server was asked to stop."""

    NOW = "now"
    DRAIN = "drain"  # when the jobs that run have ended
    GRACEFUL = "graceful"  # when no job is left
