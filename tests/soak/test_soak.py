# SPDX-License-Identifier: MIT
"""A server lives among peers that are killed all the time: see `tests.soak.ledger`. ``make soak`` takes longer."""

import random
from pathlib import Path

import pytest

from tests.soak.ledger import SERVER, Blow, Ledger
from tests.soak.picture import draw
from tests.soak.report import sentences
from tests.soak.soak import Soak
from tests.soak.watch import Sample, growth

ENOUGH = 50  # jobs of each kind
PATIENCE = 60.0


@pytest.mark.interop
def test_the_books_balance_whoever_is_hit(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    with Soak(seed, tmp_path, seconds=PATIENCE, restarts=[2.0]) as soak:
        for sample in soak.run():
            if sample.life > 1 and len(soak.ledger.accepted) > ENOUGH and len(soak.ledger.results) > ENOUGH:
                break
        report = soak.end()

    assert report.faults == []
    assert report.balance.results > ENOUGH
    assert "Jobs lost, invented or mixed up: none." in sentences(report)
    draw(report.samples, report.blows, tmp_path / "soak.svg")
    assert "completed jobs" in (tmp_path / "soak.svg").read_text()


class TestLedger:
    """The books notice what must not be."""

    def balance(self, folder: Path, *lines: str, blows: tuple[Blow, ...] = ()) -> str:
        file = folder / "ledger"
        file.write_text("".join(f"{line}\n" for line in lines))
        ledger = Ledger(file)
        ledger.read()
        return " ".join(ledger.balance(list(blows)).faults)

    def test_what_is_as_it_should_be(self, tmp_path: Path) -> None:
        lines = ["1.0 asked a-1", "1.1 accepted a-1", "1.2 did a-1 w.1", "2.0 asked a-2", "2.1 failed a-2"]
        assert self.balance(tmp_path, *lines) == ""

    def test_a_job_that_is_lost(self, tmp_path: Path) -> None:
        assert "are lost: a-1" in self.balance(tmp_path, "1.0 asked a-1", "1.1 accepted a-1")

    def test_a_job_that_was_invented(self, tmp_path: Path) -> None:
        assert "nobody had asked for them: a-1-changed" in self.balance(tmp_path, "1.0 did a-1-changed w.1")

    def test_a_result_without_a_run(self, tmp_path: Path) -> None:
        assert "were not done: a-1" in self.balance(tmp_path, "1.0 asked a-1", "1.1 result a-1")

    def test_somebody_elses_result(self, tmp_path: Path) -> None:
        assert "a wrong result" in self.balance(tmp_path, "1.0 asked a-1", "1.1 wrong a-1 b'done a-2 7'")

    @pytest.mark.parametrize(
        ("blow", "is_excused"),
        [
            (Blow(2.0, "w.1", "killed"), True),
            (Blow(2.0, SERVER, "ended"), True),
            (Blow(2.0, "w.2", "killed"), False),
            (Blow(2.0, "w.1", "started"), False),
            (Blow(0.5, "w.1", "stopped"), False),
            (Blow(30.0, "w.1", "killed"), False),
        ],
    )
    def test_a_job_that_was_done_again(self, tmp_path: Path, blow: Blow, is_excused: bool) -> None:
        lines = ("1.0 asked a-1", "1.1 did a-1 w.1", "3.0 did a-1 w.2")

        assert ("done by w.1 and again" not in self.balance(tmp_path, *lines, blows=(blow,))) is is_excused

    def test_an_entry_is_taken_when_it_is_whole(self, tmp_path: Path) -> None:
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

    def test_what_fills_at_first_is_no_growth(self) -> None:
        assert self.grown(*range(10), *[10.0] * 30) == 0

    def test_what_grows_all_the_time(self) -> None:
        assert self.grown(*map(float, range(40))) == 20

    def test_a_short_life_tells_nothing(self) -> None:
        assert self.grown(1.0, None, 2.0) is None
