# SPDX-License-Identifier: MIT
"""Imports on first use: packages that import the modules of their public names then, and loggers."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from sys import modules
from typing import TYPE_CHECKING

__all__ = ["LazyLogger", "lazy_names"]


def lazy_names(package: str, places: Mapping[str, Iterable[str]]) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package.

    Args:
        package: The name of the package.
        places: The full name of a module, and the names that the package takes from it.
    """
    module_of = {name: module for module, names in places.items() for name in names}

    def load(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(module_of[name]), name)
        setattr(modules[package], name, value)  # the next use finds it there
        return value

    return load


if TYPE_CHECKING:
    from logging import Logger as LazyLogger
else:

    class LazyLogger:
        """A logger whose first message imports `logging`, which takes 15 ms of CPU; most programs log nothing here.

        Args:
            name: The logger's name.
        """

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> object:
            from logging import getLogger

            return getattr(getLogger(self._name), name)
