# SPDX-License-Identifier: MIT
"""The log level NOTICE, which ``logging`` does not have."""

from typing import Final

__all__ = ["NOTICE"]

NOTICE: Final = 25
