# SPDX-License-Identifier: MIT
"""The servers of a client, in the order of preference for a job. No I/O; the time is passed in."""

import random
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias
from zlib import crc32

from geartrain.lazy import LazyLogger
from geartrain.transport import Backoff, ServerAddress

__all__ = ["Balance", "Placement", "RetryBudget", "ServerPool"]

logger = LazyLogger("geartrain.client")

# The choice of a server for jobs without a unique: "order" prefers the first of the list, "random" spreads them.
Balance: TypeAlias = Literal["order", "random"]

# The choice of a server for jobs with a unique: Geartrain's own rule, or that of Perl's Gearman::Client.
Placement: TypeAlias = Literal["rendezvous", "perl"]


class ServerPool:
    """The servers of a client, with back-off for those that failed.

    Jobs with the same key must go to the same server, so the key determines it:

    - ``rendezvous``: the server that scores highest with the key. So equal keys meet in any order of the list, and a
      server that goes or comes moves only its own keys. Clients that are to agree must write the servers' names alike.
    - ``perl``: the server at the index in the list that Perl's ``Gearman::Client`` computes from the key, and if that
      one is down, those that follow. Clients that are to agree must list all servers in the same order.

    Each outage of a server is logged once when it begins and once when it ends. Threads may share a pool: each of its
    operations is atomic.
    """

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        *,
        balance: Balance = "order",
        placement: Placement = "rendezvous",
        backoff: Backoff | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.addresses = list(addresses)
        self._place = _PLACEMENTS[placement]
        self._balance = balance
        self._backoff = backoff or Backoff()
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._failures: dict[ServerAddress, int] = {}
        self._resting_until: dict[ServerAddress, float] = {}

    def ranked(self, key: bytes, now: float, function: bytes = b"") -> list[ServerAddress]:
        """Return all servers, the best for a job of this function with this key first.

        Servers in back-off come last: they are tried before a job is given up.
        """
        if len(self.addresses) == 1:
            return self.addresses
        ranked = self._place(self.addresses, function, key) if key else list(self.addresses)
        if not key and self._balance == "random":
            self._chance.shuffle(ranked)
        resting = self._resting_until
        if resting:
            ranked.sort(key=lambda address: max(resting.get(address, 0.0) - now, 0.0))
        return ranked

    def rest(self, now: float) -> float:
        """Return the seconds until the back-off of the first server ends."""
        resting = self._resting_until
        return max(min(resting.get(address, now) for address in self.addresses) - now, 0.0)

    def reached(self, address: ServerAddress) -> None:
        """Record that a server accepted a connection, which ends its back-off but does not reset it."""
        self._resting_until.pop(address, None)

    def answered(self, address: ServerAddress) -> None:
        """Record that a server answers, which resets its back-off."""
        if self._failures.pop(address, 0):
            logger.info("%s answers again", address)

    def failed(self, address: ServerAddress, now: float, reason: object) -> None:
        """Record that a server could not be reached, or that its connection was lost, and start its back-off."""
        failures = self._failures.get(address, 0) + 1
        self._failures[address] = failures
        self._resting_until[address] = now + self._backoff.delay(failures, self._chance.random())
        (logger.warning if failures == 1 else logger.debug)("%s", reason)


def _by_score(addresses: Sequence[ServerAddress], function: bytes, key: bytes) -> list[ServerAddress]:
    return sorted(addresses, key=lambda address: _score(address, function + b"\0" + key), reverse=True)


def _score(address: ServerAddress, key: bytes) -> bytes:
    from hashlib import blake2b  # and with it OpenSSL, which a client with one server does not need

    score = blake2b(str(address).encode(), digest_size=8)
    score.update(key)
    return score.digest()


def _as_perl(addresses: Sequence[ServerAddress], _: bytes, key: bytes) -> list[ServerAddress]:
    first = (crc32(key) >> 16 & 0x7FFF) % len(addresses)
    return [*addresses[first:], *addresses[:first]]


_PLACEMENTS: Final[dict[str, Callable[[Sequence[ServerAddress], bytes, bytes], list[ServerAddress]]]] = {
    "rendezvous": _by_score,
    "perl": _as_perl,
}


class RetryBudget:
    """The number of times that one job may still be sent.

    A server that is lost before it has accepted the job has not started it, so the next one may get it: each server
    once, and one of them twice, in case its connection was closed unnoticed. A job that a server has accepted may have
    been started; it is sent again only as often as its user allows.
    """

    __slots__ = ("_left", "_retries", "_servers")

    def __init__(self, servers: int, retries: int = 0) -> None:
        self._servers = servers
        self._retries = retries
        self._left = servers

    @property
    def after_taken(self) -> bool:
        """True if a job that a server has accepted may be sent again."""
        return self._retries > 0

    def after_loss(self, *, taken: bool) -> bool:
        """Count a lost connection; return True to send the job again."""
        if not taken:
            self._left -= 1
            return self._left >= 0
        self._retries -= 1
        self._left = self._servers
        return self._retries >= 0
