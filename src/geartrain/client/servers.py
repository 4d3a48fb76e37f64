# SPDX-License-Identifier: MIT
"""Which server gets a job, and how often it may be sent. No I/O; the time is passed in."""

import random
from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal, TypeAlias

from geartrain.transport import Backoff, ServerAddress

__all__ = ["Balance", "Chances", "Roster"]

# What to do with jobs that any server may have: "order" prefers the server named first, "random" spreads them.
Balance: TypeAlias = Literal["order", "random"]


class Roster:
    """The servers of a client, and which of them are better left alone for a while.

    A job with a key goes to the server that scores highest with it. So equal keys meet, whatever order the servers are
    named in, and a server that goes or comes moves only its own keys. Clients that are to agree must write the servers'
    names alike.
    """

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        *,
        balance: Balance = "order",
        backoff: Backoff | None = None,
        chance: random.Random | None = None,
    ) -> None:
        if balance not in ("order", "random"):
            raise ValueError(f"balance is 'order' or 'random', not {balance!r}")
        self.addresses = list(addresses)
        self._balance = balance
        self._backoff = backoff or Backoff()
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._failures: dict[ServerAddress, int] = {}
        self._resting_until: dict[ServerAddress, float] = {}

    def ranked(self, key: bytes, now: float) -> list[ServerAddress]:
        """Return all servers, the best for a job with this key first.

        Those that rest after a failure stand behind the others: they are worth a try before a job is given up.
        """
        if len(self.addresses) == 1:
            return self.addresses
        ranked = list(self.addresses)
        if key:
            ranked.sort(key=lambda address: _score(address, key), reverse=True)
        elif self._balance == "random":
            self._chance.shuffle(ranked)
        resting = self._resting_until
        if resting:
            ranked.sort(key=lambda address: max(resting.get(address, 0.0) - now, 0.0))
        return ranked

    def reached(self, address: ServerAddress) -> None:
        """Note that a server accepted a connection; that alone does not make up for its failures."""
        self._resting_until.pop(address, None)

    def failed(self, address: ServerAddress, now: float, *, answered: bool = False) -> None:
        """Note that a server could not be reached, or that its connection was lost, and let it rest.

        Args:
            address: The server.
            now: The time.
            answered: Whether it had been of use since its last failure, which is then forgotten.
        """
        failures = 1 if answered else self._failures.get(address, 0) + 1
        self._failures[address] = failures
        self._resting_until[address] = now + self._backoff.delay(failures, self._chance.random())


def _score(address: ServerAddress, key: bytes) -> bytes:
    score = blake2b(str(address).encode(), digest_size=8)
    score.update(key)
    return score.digest()


class Chances:
    """How often one job may still be sent.

    A server that goes away before it has taken the job has not started it, so the next one may have it: each server
    once, and one of them twice, for a connection that turned out to be stale. A job that a server has taken may have
    been started; only its user can allow another run, by a number of retries.
    """

    __slots__ = ("_left", "_retries", "_servers")

    def __init__(self, servers: int, retries: int = 0) -> None:
        self._servers = servers
        self._retries = retries
        self._left = servers

    @property
    def after_taken(self) -> bool:
        """Whether a job that a server has taken might be sent again."""
        return self._retries > 0

    def after_loss(self, *, taken: bool) -> bool:
        """Tell whether to send the job again, now that its connection is lost."""
        if not taken:
            self._left -= 1
            return self._left >= 0
        self._retries -= 1
        self._left = self._servers
        return self._retries >= 0
