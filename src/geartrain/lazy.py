# SPDX-License-Identifier: MIT
"""Packages that import the modules of their public names on first use."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from sys import modules

__all__ = ["lazy_names"]


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
