# SPDX-License-Identifier: MIT
"""The rights of peers in a simulation: the rules for the server, and a second opinion on what they allow."""

from collections.abc import Sequence
from dataclasses import dataclass

from geartrain.core.access import ADMIN, SUBMIT, WORK, AccessRules, Rule, digest_of

__all__ = [
    "ADMIN",
    "ADMIN_TOKEN",
    "PART_TOKEN",
    "SUBMIT",
    "SUBMIT_TOKEN",
    "WORK",
    "WORK_TOKEN",
    "Rights",
    "draw_rights",
]

SUBMIT_TOKEN = b"submits"
WORK_TOKEN = b"works"
PART_TOKEN = b"works-on-one"
ADMIN_TOKEN = b"administers"


@dataclass(frozen=True)
class _Grant:
    """A right for some functions; an empty token stands for every peer."""

    token: bytes
    right: int
    functions: tuple[bytes, ...]


class Rights:
    """The rights of a simulation.

    Args:
        grants: All rights.
    """

    def __init__(self, grants: Sequence[_Grant]) -> None:
        self._grants = grants

    def rules(self) -> AccessRules:
        """Return the rules for the server."""
        rules = [
            Rule(rights=each.right, functions=each.functions, tokens=(digest_of(each.token),) if each.token else ())
            for each in self._grants
        ]
        return AccessRules(tuple(rules))

    def knows(self, token: bytes) -> bool:
        """Tell whether a token is one of those that give rights."""
        return any(token == each.token for each in self._grants)

    def allow(self, token: bytes, right: int, function: bytes) -> bool:
        """Tell whether a peer that has shown a token has a right for a function."""
        return any(
            right == each.right and function in each.functions and each.token in (b"", token) for each in self._grants
        )


def draw_rights(functions: tuple[bytes, ...], *, is_open: bool) -> Rights:
    """Return rights; with ``is_open`` every peer may submit jobs of the first function."""
    grants = [
        _Grant(SUBMIT_TOKEN, SUBMIT, functions),
        _Grant(WORK_TOKEN, WORK, functions),
        _Grant(PART_TOKEN, WORK, functions[:1]),
        _Grant(ADMIN_TOKEN, ADMIN, functions),
    ]
    if is_open:
        grants.append(_Grant(b"", SUBMIT, functions[:1]))
    return Rights(grants)
