# SPDX-License-Identifier: MIT
"""Which options a running server takes up, and which only another start does."""

from dataclasses import fields, replace
from typing import TypeVar

from geartrain.server.config.options import ACCESS, LIMITS, OPTIONS, TLS, ServerOptions

__all__ = ["changed", "needs_restart", "reloaded"]

OptionsT = TypeVar("OptionsT", bound=ServerOptions)

# By attribute. Whether there is TLS at all is settled: a port cannot be both.
_LIVE = {option.attribute for option in OPTIONS.values() if option.group in (LIMITS, TLS, ACCESS)} - {"ssl"}
_LIVE |= {"access", "max_packet_size", "max_unsent", "verbose"}


def reloaded(old: OptionsT, new: ServerOptions) -> OptionsT:
    """Return the old options with all of the new that can change in a running server."""
    return replace(old, **{name: getattr(new, name) for name in _LIVE})


def changed(old: ServerOptions, new: ServerOptions) -> list[str]:
    """Return the long names of those that differ and can change."""
    return [_long(name) for name in _differing(old, new) if name in _LIVE]


def needs_restart(old: ServerOptions, new: ServerOptions) -> list[str]:
    """Return the long names of those that differ and cannot."""
    return [_long(name) for name in _differing(old, new) if name not in _LIVE]


def _differing(old: ServerOptions, new: ServerOptions) -> list[str]:
    return [each.name for each in fields(old) if getattr(old, each.name) != getattr(new, each.name)]


def _long(name: str) -> str:
    return name.replace("_", "-")
