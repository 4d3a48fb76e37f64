# SPDX-License-Identifier: MIT
"""A server with ``careful.toml`` stays below its memory limit under every attack, and answers another peer."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain.protocol import RESPONSE, Command, request
from geartrain.testing import ServerProcess
from tests.attacks.attacks import ON_MEMORY, ON_TIME
from tests.attacks.careful import Careful
from tests.packets import Packets
from tests.soak.watch import memory_mib


class Highest:
    """The highest memory of a process while a block runs, in MiB."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.mib = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Highest":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.01):
            self.mib = max(self.mib, memory_mib(self._pid) or 0.0)


@pytest.fixture
def careful(tmp_path: Path) -> Careful:
    return Careful(tmp_path, max_memory_mib=32, max_packet_mib=8)


@pytest.fixture
def server(careful: Careful) -> Iterator[ServerProcess]:
    with careful.server() as server:
        yield server


@pytest.mark.parametrize("name", [*ON_MEMORY, *ON_TIME])
def test_memory_stays_below_the_stated_bound(careful: Careful, server: ServerProcess, name: str) -> None:
    attack = {**ON_MEMORY, **ON_TIME}[name]
    with careful.submitter(server.port) as other, Highest(server.process.pid) as highest:
        before = memory_mib(server.process.pid) or 0.0
        for _ in range(2):
            attack(careful, server.port)
            other.sendall(request(Command.ECHO_REQ, b"x"))
            packets = Packets(RESPONSE)
            answers = packets.receive(other.recv(100))

            assert answers == [(Command.ECHO_RES, [b"x"])]

    assert highest.mib <= before + careful.most_mib(connections=40)


def test_the_tests_of_the_promises_exist() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "robustness.md").read_text().partition("## Tests of the promises")[2]

    named = re.findall(r"`(tests/[\w/.]+)`", page)

    assert len(named) > 15
    assert [name for name in named if not (root / name).exists()] == []
