# SPDX-License-Identifier: MIT
"""The options that a running server takes over, and those that need a restart."""

from dataclasses import replace
from typing import Any, TypeVar

from geartrain.server.config.option import field_names, reloadable_fields

__all__ = ["changed", "needs_restart", "reloaded"]

OptionsT = TypeVar("OptionsT", bound=Any)


def reloaded(old: OptionsT, new: object) -> OptionsT:
    """Return the old options with all of the new ones that can change in a running server.

    Args:
        old: The options in force, a dataclass.
        new: The same dataclass, or a subclass of it.
    """
    result: OptionsT = replace(old, **{name: getattr(new, name) for name in reloadable_fields(type(old))})
    return result


def changed(old: object, new: object) -> list[str]:
    """Return the long names of the options that differ and can change."""
    return [_long(name) for name in _differing(old, new) if name in reloadable_fields(type(old))]


def needs_restart(old: object, new: object) -> list[str]:
    """Return the long names of the options that differ and cannot change."""
    return [_long(name) for name in _differing(old, new) if name not in reloadable_fields(type(old))]


def _differing(old: object, new: object) -> list[str]:
    return [name for name in field_names(type(old)) if getattr(old, name) != getattr(new, name)]


def _long(name: str) -> str:
    return name.replace("_", "-")
