# SPDX-License-Identifier: MIT
"""A short soak test, with the checks of `tests.soak.ledger`; ``make soak`` runs longer."""

import random
from pathlib import Path

import pytest

from tests.soak.ledger import SERVER, Disturbance, Ledger
from tests.soak.picture import draw
from tests.soak.report import sentences
from tests.soak.soak import Soak
from tests.soak.watch import Sample, growth

ENOUGH = 50  # jobs of each kind
TIMEOUT = 60.0


@pytest.mark.interop
def test_no_job_is_lost_when_peers_and_the_server_are_killed(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with Soak(seed, tmp_path, seconds=TIMEOUT, restarts=[2.0]) as soak:
        for sample in soak.run():
            if sample.life > 1 and len(soak.ledger.accepted) > ENOUGH and len(soak.ledger.results) > ENOUGH:
                break
        report = soak.end()

    assert report.faults == []
    assert report.totals.results > ENOUGH
    assert "Jobs lost, invented or mixed up: none." in sentences(report)
    draw(report.samples, report.disturbances, tmp_path / "soak.svg")
    assert "completed jobs" in (tmp_path / "soak.svg").read_text()


class TestLedger:
    """The checks of the ledger find faults."""

    def faults(self, folder: Path, *lines: str, disturbances: tuple[Disturbance, ...] = ()) -> str:
        file = folder / "ledger"
        file.write_text("".join(f"{line}\n" for line in lines))
        ledger = Ledger(file)
        ledger.read()
        return " ".join(ledger.check(list(disturbances)).faults)

    def test_without_faults(self, tmp_path: Path) -> None:
        lines = ["1.0 asked a-1", "1.1 accepted a-1", "1.2 did a-1 w.1", "2.0 asked a-2", "2.1 failed a-2"]
        assert self.faults(tmp_path, *lines) == ""

    def test_a_job_that_is_lost(self, tmp_path: Path) -> None:
        assert "1 job accepted and lost: a-1" in self.faults(tmp_path, "1.0 asked a-1", "1.1 accepted a-1")

    def test_a_job_that_was_altered(self, tmp_path: Path) -> None:
        assert "1 job run, but never submitted: a-1-changed" in self.faults(tmp_path, "1.0 did a-1-changed w.1")

    def test_a_result_without_a_run(self, tmp_path: Path) -> None:
        assert "1 job with a result, but never run: a-1" in self.faults(tmp_path, "1.0 asked a-1", "1.1 result a-1")

    def test_the_result_of_another_job(self, tmp_path: Path) -> None:
        assert "a wrong result" in self.faults(tmp_path, "1.0 asked a-1", "1.1 wrong a-1 b'done a-2 7'")

    @pytest.mark.parametrize(
        ("disturbance", "is_explained"),
        [
            (Disturbance(2.0, "w.1", "killed"), True),
            (Disturbance(2.0, SERVER, "ended"), True),
            (Disturbance(2.0, "w.2", "killed"), False),
            (Disturbance(2.0, "w.1", "started"), False),
            (Disturbance(0.5, "w.1", "stopped"), False),
            (Disturbance(30.0, "w.1", "killed"), False),
        ],
    )
    def test_a_job_that_ran_twice(self, tmp_path: Path, disturbance: Disturbance, is_explained: bool) -> None:
        lines = ("1.0 asked a-1", "1.1 did a-1 w.1", "3.0 did a-1 w.2")

        assert (
            "ran at w.1 and again" not in self.faults(tmp_path, *lines, disturbances=(disturbance,))
        ) is is_explained

    def test_an_entry_is_read_when_it_is_complete(self, tmp_path: Path) -> None:
        ledger = Ledger(tmp_path / "ledger")
        ledger.file.write_text("1.0 asked a-1\n1.1 did a-")
        ledger.read()
        assert (ledger.asked, ledger.done) == ({"a-1"}, 0)

        with ledger.file.open("a") as file:
            file.write("1 w.1\n")
        ledger.read()

        assert (ledger.asked, ledger.done) == ({"a-1"}, 1)


class TestGrowth:
    def grown(self, *memory: float | None, life: int = 1) -> float | None:
        samples = [Sample(float(at), life, 0.0, 0, mib, 10, {}) for at, mib in enumerate(memory)]
        return growth(samples, lambda sample: sample.memory_mib)

    def test_the_first_quarter_does_not_count(self) -> None:
        assert self.grown(*range(10), *[10.0] * 30) == 0

    def test_steady_growth(self) -> None:
        assert self.grown(*map(float, range(40))) == 20

    def test_a_short_run_has_no_growth(self) -> None:
        assert self.grown(1.0, None, 2.0) is None
