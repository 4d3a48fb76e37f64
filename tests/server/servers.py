# SPDX-License-Identifier: MIT
"""The types of the fixtures that run servers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

from geartrain.server import Server
from geartrain.testing import RunningServer

__all__ = ["RunServer", "Serve"]

RunServer: TypeAlias = Callable[..., AbstractContextManager[RunningServer]]
Serve: TypeAlias = Callable[[Callable[[], Server]], AbstractContextManager[RunningServer]]
