# SPDX-License-Identifier: MIT
"""The one level of the log that ``logging`` has no name for."""

from typing import Final

__all__ = ["NOTICE"]

NOTICE: Final = 25
