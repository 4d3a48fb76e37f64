# SPDX-License-Identifier: MIT
"""Rules of access to functions, and the identity of a peer that they match.

Rules only grant rights, and none forbids: a peer has the sum of the rights of the rules that match it. Without any
rule every peer may do everything, and this module is not used.

Tokens are kept as digests. A token that is not kept cannot be shown by mistake, and digests are all of one length, so
that comparing two of them takes the same time for any token.
"""

import enum
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from geartrain.protocol.limits import MAX_FUNCTION_NAME

__all__ = [
    "ADMIN",
    "ANY_FUNCTION",
    "SUBMIT",
    "WORK",
    "AccessRules",
    "Network",
    "Right",
    "Rule",
    "Identity",
    "digest_of",
    "matches",
]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

ANY_FUNCTION = b"*"

# Functions whose rights are cached for a peer; hardly any peer submits to more of them in turn.
_MAX_REMEMBERED = 1024


class Right(enum.IntFlag):
    """A right to use a function in one way; rights are added up."""

    SUBMIT = 1
    WORK = 2
    ADMIN = 4


# Module names: looking up a member of an enumeration costs 100 ns, as much as a call.
SUBMIT = int(Right.SUBMIT)
WORK = int(Right.WORK)
ADMIN = int(Right.ADMIN)


def digest_of(token: bytes) -> bytes:
    """Return the digest that is kept of a token."""
    from hashlib import sha256  # takes half a megabyte that servers without tokens do without

    return sha256(token).digest()


def matches(pattern: bytes, name: bytes) -> bool:
    """Tell whether a name matches a pattern, in which each ``*`` stands for any letters or none.

    Each part is matched at its first place from the left, without backtracking: the time grows with the length of the
    name alone, so a name that a stranger chose cannot make it slow.
    """
    first, *middle = pattern.split(b"*")
    if not middle:
        return name == pattern
    last = middle.pop()
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    place = len(first)
    end = len(name) - len(last)
    for part in middle:
        found = name.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: the conditions under which it applies to a peer, and the rights that it gives.

    Attributes:
        rights: The rights that it gives, as the sum of `Right`.
        functions: Patterns of the functions that the rights are for.
        certificates: Patterns, one of which must match a name in the peer's certificate. Both begin with the kind of
            the name, such as ``dns:``, so that no pattern matches a name of another kind.
        tokens: Digests, one of which must be that of the peer's token.
        networks: Networks, one of which must contain the peer's address.
        local: A peer on this machine meets the condition ``networks`` as well.
    """

    rights: int
    functions: tuple[bytes, ...] = (ANY_FUNCTION,)
    certificates: tuple[bytes, ...] = ()
    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    networks: tuple[Network, ...] = ()
    local: bool = False

    def applies_to(self, identity: "Identity") -> bool:
        """Tell whether a peer meets all conditions that the rule has."""
        return (
            (not self.certificates or self._names(identity))
            and (not self.tokens or _is_among(identity.token, self.tokens))
            and (not (self.networks or self.local) or self._reaches(identity))
        )

    def covers(self, function: bytes) -> bool:
        """Tell whether the rule is about a function."""
        return any(matches(pattern, function) for pattern in self.functions)

    def _names(self, identity: "Identity") -> bool:
        return any(matches(pattern, name) for pattern in self.certificates for name in identity.certificate)

    def _reaches(self, identity: "Identity") -> bool:
        if self.local and identity.is_local:
            return True
        address = identity.address()
        return address is not None and any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class AccessRules:
    """All rules that are in force together. They never change, and are replaced as a whole."""

    rules: tuple[Rule, ...]

    @property
    def tokens(self) -> list[bytes]:
        """The digests of all tokens."""
        return [digest for rule in self.rules for digest in rule.tokens]

    @property
    def certificates(self) -> list[bytes]:
        """The patterns of all certificates."""
        return [pattern for rule in self.rules for pattern in rule.certificates]

    def knows(self, digest: bytes) -> bool:
        """Tell whether a token is one of those in the rules."""
        return _is_among(digest, self.tokens)


def _is_among(digest: bytes, digests: Sequence[bytes]) -> bool:
    """Compare with every digest in constant time, so that the duration does not reveal any of them."""
    from hmac import compare_digest  # imports hashlib too

    found = False
    for each in digests:
        found |= compare_digest(each, digest)
    return found


class Identity:
    """The facts about a peer that rules match, and its rights by the rules in force.

    Attributes:
        host: Its address.
        is_local: True if it connects from this machine.
        certificate: The names in its certificate, each behind its kind, if it has shown one that is trusted.
        token: The digest of the token that it has shown last, or empty.
        wrong_tokens: Number of tokens that it has shown and no rule has.
        denied: The functions that it wants to work on and may not, with the timeout of their jobs.
    """

    __slots__ = ("_address", "_rights", "_rules", "certificate", "denied", "host", "is_local", "token", "wrong_tokens")

    def __init__(self, host: str, is_local: bool) -> None:
        self.host = host
        self.is_local = is_local
        self.certificate: tuple[bytes, ...] = ()
        self.token = b""
        self.wrong_tokens = 0
        self.denied: dict[bytes, float] = {}
        self._address: Address | None = None
        self._rules: list[Rule] = []
        self._rights: dict[bytes, int] = {}

    def apply_rules(self, rules: AccessRules) -> None:
        """Apply these rules from now on."""
        self._rules = [rule for rule in rules.rules if rule.applies_to(self)]
        self._rights = {}

    def rights(self, function: bytes) -> int:
        """Return the rights of the peer for a function."""
        rights = self._rights.get(function)
        return self._look_up(function) if rights is None else rights

    def may_everywhere(self, right: int) -> bool:
        """Tell whether one rule gives a right for all functions."""
        return any(rule.rights & right and ANY_FUNCTION in rule.functions for rule in self._rules)

    def may_somewhere(self, right: int) -> bool:
        """Tell whether there is a right for any function at all."""
        return any(rule.rights & right for rule in self._rules)

    def address(self) -> Address | None:
        """Return the address without its zone, or None for a socket in the file system.

        An IPv4 address that is mapped into IPv6 is returned as IPv4.
        """
        if self._address is None:
            self._address = self._parse_address()
        return self._address

    def _parse_address(self) -> Address | None:
        try:
            address = ipaddress.ip_address(self.host.partition("%")[0])
        except ValueError:
            return None
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return address if mapped is None else mapped

    def _look_up(self, function: bytes) -> int:
        rights = 0
        for rule in self._rules:
            if rule.covers(function):
                rights |= rule.rights
        # Names without rights, or too long for a function, are not kept.
        if rights and len(function) <= MAX_FUNCTION_NAME:
            if len(self._rights) >= _MAX_REMEMBERED:
                self._rights.clear()
            self._rights[function] = rights
        return rights
