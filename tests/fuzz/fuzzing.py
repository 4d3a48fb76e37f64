# SPDX-License-Identifier: MIT
"""Rounds of attacks on two servers: one in clear text with a store, one with TLS and access rules.

The input of an attacker depends only on the seed and on the number of its conversation, except for the handles that it
is given and the order of events.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import trustme

from geartrain import TLS
from geartrain.testing import ServerProcess
from tests.fuzz.attackers import Attacker, IdleConnections, Sent
from tests.fuzz.mutations import LARGEST
from tests.fuzz.target import Target
from tests.fuzz.validpeers import ValidPeers

__all__ = ["OPTIONS", "Fuzzing"]

OPTIONS = (
    "--verbose=INFO",
    f"--max-packet-size={LARGEST}",
    "--max-unsent=4M",
    "--handshake-timeout=2",
    "--function-expiry=1",
    "--stall-after=0.5",
    "--job-timeout=5",
    "--file-descriptors=4096",
)
# Rules that allow some attackers more than others.
_RULES = """
[[access]]
functions = ["valid-*", "f", "two words", "App*"]
may = ["submit", "work"]

[[access]]
token = "let-me-in-or-else"
may = ["submit"]

[[access]]
address = "local"
may = ["admin"]
"""
_SIDE_BY_SIDE = 16
_KEPT = 400  # conversations that are kept, to be saved when a check fails


class Fuzzing:
    """Attacks on two servers that also have valid peers.

    Args:
        seed: The seed of the random generator.
        folder: The folder for jobs and certificates of the servers.

    Attributes:
        packets: Number of messages that were sent.
        conversations: The last conversations, each with the name of its server.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed = seed
        self._folder = folder
        self._number = 0
        self._stack = contextlib.ExitStack()
        self._targets: dict[str, Target] = {}
        self._attackers: dict[str, Attacker] = {}
        self.conversations: deque[tuple[str, Sent]] = deque(maxlen=_KEPT)

    def __enter__(self) -> Self:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self._folder / "ca"))
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self._folder / "server"))
        rules = self._folder / "rules.toml"
        rules.write_text(_RULES)
        encrypted = ("--ssl", f"--ssl-certificate={self._folder}/server", f"--config-file={rules}")
        with contextlib.ExitStack() as stack:  # if one server does not start, the other one is stopped
            self._add(stack, "clear", None, f"--store=sqlite:///{self._folder}/jobs")
            self._add(stack, "tls", TLS(ca=self._folder / "ca"), *encrypted)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def packets(self) -> int:
        """Number of messages that were sent."""
        return sum(attacker.sent for attacker in self._attackers.values())

    @property
    def jobs(self) -> int:
        """Number of completed jobs of the valid peers."""
        return sum(target.valid_peers.done for target in self._targets.values())

    @property
    def memory_mib(self) -> str:
        """Memory of the servers after the first and after the last round."""
        return ", ".join(
            f"{name} {target.memory_mib[0]:.0f} to {target.memory_mib[-1]:.0f} MiB"
            for name, target in self._targets.items()
        )

    def round(self, packets: int) -> None:
        """Send so many messages, and check the servers.

        Raises:
            AssertionError: A check failed.
        """
        asyncio.run(self._round(self.packets + packets))

    async def repeat(self, conversations: Iterable[tuple[str, Sent]]) -> None:
        """Replay conversations, and check the servers; raise `AssertionError` if a check fails."""
        for name, said in conversations:
            await self._attackers[name].repeat(said)
        for target in self._targets.values():
            await target.tidy_up()
            target.check_log()

    def _add(self, stack: contextlib.ExitStack, name: str, tls: TLS | None, *words: str) -> None:
        server = stack.enter_context(ServerProcess(*OPTIONS, *words))
        port = server.port
        # A name that no attacker can guess.
        valid_peers = ValidPeers(f"localhost:{port}", tls, f"valid-{random.SystemRandom().randrange(2**64):x}")
        self._targets[name] = Target(server=server, port=port, tls=tls, valid_peers=valid_peers)
        self._attackers[name] = Attacker(port, tls.context() if tls is not None else None)
        self._targets[name].begin()

    async def _round(self, until: int) -> None:
        valid_peers = [target.valid_peers for target in self._targets.values()]
        lives = [asyncio.create_task(each.live()) for each in valid_peers]
        chance = random.Random(f"{self._seed} idle {self._number}")
        idle = [IdleConnections(target.port, chance.randrange(200), chance) for target in self._targets.values()]
        attacks = [asyncio.create_task(self._attack(until)) for _ in range(_SIDE_BY_SIDE)]
        drip = asyncio.create_task(_drip(idle))
        try:
            await _first_error([*attacks, *lives], until=attacks)
            for target in self._targets.values():
                await target.check_listings()
        finally:
            for task in (*attacks, drip):
                task.cancel()
            await asyncio.gather(*attacks, drip, return_exceptions=True)
            for connections in idle:
                connections.leave()
            for each in valid_peers:
                each.leave()
            await asyncio.gather(*lives, return_exceptions=True)
        for attacker in self._attackers.values():
            await attacker.leave()
        for life in lives:
            life.result()
        for target in self._targets.values():
            await target.tidy_up()
            target.check_log()

    async def _attack(self, until: int) -> None:
        while self.packets < until:
            self._number += 1
            chance = random.Random(f"{self._seed} {self._number}")
            name = "tls" if chance.random() < 0.1 else "clear"
            said: Sent = []
            self.conversations.append((name, said))
            await self._attackers[name].attack(chance, said)


async def _first_error(tasks: list[asyncio.Task[None]], until: list[asyncio.Task[None]]) -> None:
    """Wait until the tasks in ``until`` are done; raise the first error of any task."""
    waiting = set(tasks)
    while any(not task.done() for task in until):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _drip(idle: list[IdleConnections]) -> None:
    while True:
        for each in idle:
            each.drip()
        await asyncio.sleep(0.05)
