# SPDX-License-Identifier: MIT
"""The one level of the log that ``logging`` has no name for."""

__all__ = ["NOTICE"]

NOTICE = 25
