# SPDX-License-Identifier: MIT
"""Time zones by name, from the database of the machine."""

from datetime import UTC, tzinfo

__all__ = ["find_zone", "has_zone"]


def find_zone(name: str) -> tzinfo:
    """Return the time zone with a name such as ``Europe/Berlin``; each is read once while it is used.

    Raises:
        ValueError: There is no such zone.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # takes a quarter of a megabyte that most servers do without

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # not in the database, not a name, or the name of a folder
        raise ValueError(f"there is no time zone {name!r}") from error


def has_zone(name: str) -> bool:
    """Tell whether there is a time zone; an empty name is that of the server."""
    try:
        return not name or find_zone(name) is not None
    except ValueError:
        return False
