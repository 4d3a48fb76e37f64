# SPDX-License-Identifier: MIT
"""A short fuzz test of running servers, with the checks of `tests.fuzz.target`; ``make fuzz`` runs longer."""

import asyncio
import hashlib
import random
import re
from pathlib import Path

import pytest

from geartrain import AsyncAssignedJob, AsyncWorker
from geartrain.testing import run_server
from tests.fuzz import minimization
from tests.fuzz.attackers import Attack
from tests.fuzz.fuzzing import Fuzzing
from tests.fuzz.target import check_lines, check_rows
from tests.fuzz.validpeers import ValidPeers

PACKETS = 3000
LINE = "  ERROR 2026-01-31 12:00:00.000000 [server ] "


def test_servers_survive_malformed_input(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with Fuzzing(seed, tmp_path) as fuzzing:
        fuzzing.round(PACKETS // 2)
        fuzzing.round(PACKETS // 2)

        assert fuzzing.packets >= PACKETS
        assert fuzzing.jobs > 0


class TestChecks:
    """The checks find faults."""

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            (LINE + "cannot send to <Peer 127.0.0.1 (connection 8)>", "an error of the server"),
            ("Traceback (most recent call last):", "not a line of the log"),
            (LINE.replace("ERROR", " INFO") + "forgot f\x1b[2J", "a control character"),
            ("it was forgotten", "not a line of the log"),
        ],
    )
    def test_a_wrong_line_of_the_log(self, text: str, fault: str) -> None:
        check_lines([LINE + "GEARMAN_INVALID_COMMAND:Command not expected; sent to 127.0.0.1 (connection 8)"])
        with pytest.raises(AssertionError, match=fault):
            check_lines([text])

    @pytest.mark.parametrize(
        ("answer", "fault"),
        [
            (b"f\t1\t1\n.\n", "broken"),
            (b"f\t1\ng\t1\t1\t1\n.\n", "broken"),
            (b"f\r\t1\t1\t1\n.\n", "control character"),
            (b"f\t1\t1\t1\n", "does not end"),
        ],
    )
    def test_a_broken_listing(self, answer: bytes, fault: str) -> None:
        row = re.compile(rb"[^\t]*(\t\d+){3}")
        check_rows("status", row, b"f\t1\t1\t1\n.\n")
        with pytest.raises(AssertionError, match=fault):
            check_rows("status", row, answer)

    @pytest.mark.parametrize(("falsehood", "fault"), [(b"!", "returned"), (b"", "ran 0 times")])
    def test_a_job_that_another_worker_has_run(self, falsehood: bytes, fault: str) -> None:
        async def do(job: AsyncAssignedJob) -> bytes:
            return hashlib.sha256(bytes(job.workload)).digest() + falsehood

        async def live() -> None:
            async with AsyncWorker(server.address) as other:
                other.add_function("theirs", do)
                await asyncio.wait_for(ValidPeers(server.address, None, "theirs").live(), 20)

        with run_server() as server, pytest.raises(AssertionError, match=fault):
            asyncio.run(live())

    def test_an_answer_that_is_not_gearman(self) -> None:
        attack = Attack()
        attack.data_received(b"\0REQ\0\0\0\x01\0\0\0\0")
        assert "not Gearman" in attack.fault or "does not send" in attack.fault


class TestMinimization:
    """Failing input is minimized and saved."""

    def test_the_smallest_failing_part_is_left(self) -> None:
        items = list(range(100))

        assert minimization.shrink(items, lambda some: 17 in some) == [17]
        assert minimization.shrink(items, lambda some: {3, 4, 98} <= set(some)) == [3, 4, 98]

    def test_saved_conversations_are_loaded_unchanged(self, tmp_path: Path) -> None:
        said = [("clear", [b"\0REQ\n", b"\xff'\""]), ("tls", [])]

        minimization.write(said, tmp_path / "said")

        assert minimization.read(tmp_path / "said") == said
