# SPDX-License-Identifier: MIT
"""Live servers bear what no server wants to hear: see `tests.fuzz.target`. ``make fuzz`` says much more."""

import asyncio
import hashlib
import random
import re
from pathlib import Path

import pytest

from geartrain import AsyncAssignedJob, AsyncWorker
from geartrain.testing import run_server
from tests.fuzz import culprit
from tests.fuzz.attackers import Attack
from tests.fuzz.bystanders import Bystanders
from tests.fuzz.fuzzing import Fuzzing
from tests.fuzz.target import check_lines, check_rows

PACKETS = 3000
LINE = "  ERROR 2026-01-31 12:00:00.000000 [server ] "


def test_servers_bear_whatever_is_said_to_them(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with Fuzzing(seed, tmp_path) as fuzzing:
        fuzzing.round(PACKETS // 2)
        fuzzing.round(PACKETS // 2)

        assert fuzzing.packets >= PACKETS
        assert fuzzing.jobs > 0


class TestWhatIsSeen:
    """What must not be is noticed."""

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            (LINE + "cannot send to <Peer 8 127.0.0.1 ->", "an error of the server"),
            ("Traceback (most recent call last):", "not a line of the log"),
            (LINE.replace("ERROR", " INFO") + "forgot f\x1b[2J", "a control character"),
            ("it was forgotten", "not a line of the log"),
        ],
    )
    def test_a_line_of_the_log_that_must_not_be(self, text: str, fault: str) -> None:
        check_lines([LINE + "GEARMAN_INVALID_COMMAND:Command not expected to <Peer 8 127.0.0.1 ->"])
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
    def test_a_listing_that_is_broken(self, answer: bytes, fault: str) -> None:
        row = re.compile(rb"[^\t]*(\t\d+){3}")
        check_rows("status", row, b"f\t1\t1\t1\n.\n")
        with pytest.raises(AssertionError, match=fault):
            check_rows("status", row, answer)

    @pytest.mark.parametrize(("falsehood", "fault"), [(b"!", "brought"), (b"", "was done 0 times")])
    def test_a_job_that_somebody_else_has_done(self, falsehood: bytes, fault: str) -> None:
        async def do(job: AsyncAssignedJob) -> bytes:
            return hashlib.sha256(bytes(job.workload)).digest() + falsehood

        async def live() -> None:
            async with AsyncWorker(server.address) as other:
                other.add_function("theirs", do)
                await asyncio.wait_for(Bystanders(server.address, None, "theirs").live(), 20)

        with run_server() as server, pytest.raises(AssertionError, match=fault):
            asyncio.run(live())

    def test_an_answer_that_is_not_gearman(self) -> None:
        attack = Attack()
        attack.data_received(b"\0REQ\0\0\0\x01\0\0\0\0")
        assert "not Gearman" in attack.fault or "does not send" in attack.fault


class TestCulprit:
    """What was too much is made small, kept, and said again."""

    def test_the_smallest_part_that_is_wrong_is_left(self) -> None:
        items = list(range(100))

        assert culprit.shrink(items, lambda some: 17 in some) == [17]
        assert culprit.shrink(items, lambda some: {3, 4, 98} <= set(some)) == [3, 4, 98]

    def test_what_was_said_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        said = [("clear", [b"\0REQ\n", b"\xff'\""]), ("tls", [])]

        culprit.write(said, tmp_path / "said")

        assert culprit.read(tmp_path / "said") == said
