# SPDX-License-Identifier: MIT
"""Rounds of attacks on two live servers, one in clear text with a store, one with TLS and rules of access.

What an attacker says depends on the seed and on the number of its conversation alone, but for the handles that it is
given, and for what the system makes of the order of things.
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
from tests.fuzz.attackers import Attacker, Crowd, Said
from tests.fuzz.bystanders import Bystanders
from tests.fuzz.mutations import LARGEST
from tests.fuzz.target import Target

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
# What some attackers may do and some may not.
_RULES = """
[[access]]
functions = ["bystanders-*", "f", "two words", "App*"]
may = ["submit", "work"]

[[access]]
token = "let-me-in-or-else"
may = ["submit"]

[[access]]
address = "local"
may = ["admin"]
"""
_SIDE_BY_SIDE = 16
_KEPT = 400  # conversations, to be written down when one of them was too much


class Fuzzing:
    """Attacks until somebody has seen enough, or something is seen that must not be.

    Args:
        seed: Decides what is said.
        folder: Where the servers keep jobs and certificates.

    Attributes:
        packets: How many were sent, all in all.
        conversations: The last ones, each with the name of the server that it was with.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed = seed
        self._folder = folder
        self._number = 0
        self._stack = contextlib.ExitStack()
        self._targets: dict[str, Target] = {}
        self._attackers: dict[str, Attacker] = {}
        self.conversations: deque[tuple[str, Said]] = deque(maxlen=_KEPT)

    def __enter__(self) -> Self:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self._folder / "ca"))
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(str(self._folder / "server"))
        rules = self._folder / "rules.toml"
        rules.write_text(_RULES)
        encrypted = ("--ssl", f"--ssl-certificate={self._folder}/server", f"--config-file={rules}")
        with contextlib.ExitStack() as stack:  # if one does not start, the other one ends
            self._add(stack, "clear", None, f"--store=sqlite:///{self._folder}/jobs")
            self._add(stack, "tls", TLS(ca=self._folder / "ca"), *encrypted)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def packets(self) -> int:
        """How many messages were sent."""
        return sum(attacker.sent for attacker in self._attackers.values())

    @property
    def jobs(self) -> int:
        """How many jobs the bystanders have had done."""
        return sum(target.bystanders.done for target in self._targets.values())

    @property
    def memory_mib(self) -> str:
        """What the servers take, and took after the first round."""
        return ", ".join(
            f"{name} {target.memory_mib[0]:.0f} to {target.memory_mib[-1]:.0f} MiB"
            for name, target in self._targets.items()
        )

    def round(self, packets: int) -> None:
        """Send so many packets and lines, and see that nothing has come of it.

        Raises:
            AssertionError: Something has.
        """
        asyncio.run(self._round(self.packets + packets))

    async def repeat(self, conversations: Iterable[tuple[str, Said]]) -> None:
        """Say something again, and see that nothing has come of it; raises `AssertionError` if something has."""
        for name, said in conversations:
            await self._attackers[name].repeat(said)
        for target in self._targets.values():
            await target.tidy_up()
            target.check_log()

    def _add(self, stack: contextlib.ExitStack, name: str, tls: TLS | None, *words: str) -> None:
        server = stack.enter_context(ServerProcess(*OPTIONS, *words))
        port = server.port
        # A name that no conversation has a chance to come upon.
        bystanders = Bystanders(f"localhost:{port}", tls, f"bystanders-{random.SystemRandom().randrange(2**64):x}")
        self._targets[name] = Target(server=server, port=port, tls=tls, bystanders=bystanders)
        self._attackers[name] = Attacker(port, tls.context() if tls is not None else None)
        self._targets[name].begin()

    async def _round(self, until: int) -> None:
        bystanders = [target.bystanders for target in self._targets.values()]
        lives = [asyncio.create_task(each.live()) for each in bystanders]
        chance = random.Random(f"{self._seed} crowd {self._number}")
        crowds = [Crowd(target.port, chance.randrange(200), chance) for target in self._targets.values()]
        attacks = [asyncio.create_task(self._attack(until)) for _ in range(_SIDE_BY_SIDE)]
        drip = asyncio.create_task(_drip(crowds))
        try:
            await _first_error([*attacks, *lives], until=attacks)
            for target in self._targets.values():
                await target.check_listings()
        finally:
            for task in (*attacks, drip):
                task.cancel()
            await asyncio.gather(*attacks, drip, return_exceptions=True)
            for crowd in crowds:
                crowd.leave()
            for each in bystanders:
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
            said: Said = []
            self.conversations.append((name, said))
            await self._attackers[name].attack(chance, said)


async def _first_error(tasks: list[asyncio.Task[None]], until: list[asyncio.Task[None]]) -> None:
    """Wait until the last ones are done, or any of them has failed, which is raised."""
    waiting = set(tasks)
    while any(not task.done() for task in until):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _drip(crowds: list[Crowd]) -> None:
    while True:
        for crowd in crowds:
            crowd.drip()
        await asyncio.sleep(0.05)
