# SPDX-License-Identifier: MIT
"""The rules of access in a TOML file.

::

    [[access]]
    certificate = "web-*"                    a peer with a common name or DNS name like this in its certificate
    token-file = "/etc/geartrain/web.token"  that sends a token in this file (or `token`, with the token itself)
    address = ["10.0.0.0/8", "local"]        and connects from one of these addresses
    functions = ["email:*", "report"]        has, for these functions (for all, if left out),
    may = ["submit"]                         these rights

If a value is a list, one of its entries has to match.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from geartrain.core.access import ANY_FUNCTION, AccessRules, Network, Right, Rule, digest_of
from geartrain.errors import LocalProtocolError
from geartrain.names import token_bytes
from geartrain.server.config.kinds import OptionError
from geartrain.transport.tokens import is_exposed, read_tokens

__all__ = ["access_rules", "exposed_tokens"]

T = TypeVar("T")

_LOCAL = "local"
_RIGHTS = {right.name.lower(): int(right) for right in Right if right.name is not None}
# A name without a kind is a common name or a DNS name: a host. An authority may sign any e-mail address or URI for it.
_NAME_KINDS = ("cn", "dns", "email", "uri", "ip")
_DEFAULT_KINDS = ("cn", "dns")
_KEYS = ("certificate", "token", "token-file", "address", "functions", "may")


def access_rules(tables: object) -> AccessRules:
    """Return rules for the option ``access`` of a server.

    Args:
        tables: The tables ``[[access]]`` of a TOML file: a list of mappings with the same keys, such as
            ``[{"address": "local", "may": ["submit", "work"]}]``.

    Raises:
        OptionError: A rule is wrong. No token is in the message.
    """
    if not isinstance(tables, Sequence) or not tables or not all(isinstance(table, Mapping) for table in tables):
        raise OptionError("'access' is written as tables, [[access]], one for each rule")
    return AccessRules(tuple(_numbered(number, _rule, table) for number, table in enumerate(tables, 1)))


def exposed_tokens(tables: object, path: str) -> list[str]:
    """Return the files with tokens that every user of the machine may read, such as that of the rules."""
    rules = [table for table in tables if isinstance(table, Mapping)] if isinstance(tables, Sequence) else []
    files = [path] if any("token" in rule for rule in rules) else []
    for rule in rules:
        files += _texts(rule, "token-file")
    return [file for file in files if is_exposed(file)]


def _numbered(number: int, read: Callable[[Mapping[str, object]], T], table: Mapping[str, object]) -> T:
    try:
        return read({key.replace("_", "-"): value for key, value in table.items()})
    except ValueError as error:
        raise OptionError(f"rule {number} of 'access': {error}") from None


def _rule(table: Mapping[str, object]) -> Rule:
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"there is no key '{key}'; the keys are {', '.join(_KEYS)}")
    rights = 0
    for name in _texts(table, "may"):
        if name not in _RIGHTS:
            raise ValueError(f"'may' is one or more of {', '.join(_RIGHTS)}, not '{name}'")
        rights |= _RIGHTS[name]
    if not rights:
        raise ValueError(f"it needs 'may', with one or more of {', '.join(_RIGHTS)}")
    addresses = _texts(table, "address")
    return Rule(
        rights=rights,
        functions=tuple(map(str.encode, _texts(table, "functions"))) or (ANY_FUNCTION,),
        certificates=tuple(
            pattern.encode() for text in _texts(table, "certificate") for pattern in _certificate_patterns(text)
        ),
        tokens=tuple(map(digest_of, _tokens(table))),
        networks=tuple(_network(address) for address in addresses if address != _LOCAL),
        local=_LOCAL in addresses,
    )


def _texts(table: Mapping[str, object], key: str) -> list[str]:
    """Return a value that is a text or a list of texts; an empty list would be no condition."""
    if key not in table:
        return []
    value = table[key]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"'{key}' is a text, or a list of texts, none of them empty")
    return texts


def _certificate_patterns(text: str) -> list[str]:
    """Return the pattern behind its kind, or behind each of the default kinds if it has none."""
    kind, colon, name = text.partition(":")
    if not colon:
        return [f"{each}:{text}" for each in _DEFAULT_KINDS]
    if kind not in _NAME_KINDS:
        raise ValueError(
            f"'certificate' has no names of the kind '{kind}'; the kinds are {', '.join(_NAME_KINDS)}, as in cn:{text}"
        )
    if not name:
        raise ValueError(f"'certificate' needs a name after '{text}'")
    return [text]


def _tokens(table: Mapping[str, object]) -> list[bytes]:
    tokens = _texts(table, "token")
    for file in _texts(table, "token-file"):
        try:
            tokens = tokens + read_tokens(file)
        except OSError as error:
            raise ValueError(f"could not read {file}: {error.strerror}") from None
    try:
        return [token_bytes(token) for token in tokens]
    except LocalProtocolError as error:
        raise ValueError(str(error)) from None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"'address' is an address, a network such as 10.0.0.0/8, or {_LOCAL}, not '{text}' ({error})"
        ) from None
