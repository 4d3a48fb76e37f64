# SPDX-License-Identifier: MIT
"""The benchmark of queues: measurements, comparison and reports. The tests do not check the speed."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.page import ROOT, fill, read
from benchmarks.queues import report
from benchmarks.queues.__main__ import PAGE, PICTURE, choose
from benchmarks.queues.brokers import GEARMAND_IN_MEMORY
from benchmarks.queues.contestants import CONTESTANTS, SYSTEMS, Contestant
from benchmarks.queues.environments import Environments
from benchmarks.queues.figures import Figures, Result, percentile
from benchmarks.queues.goals import GOALS, standings
from benchmarks.queues.meter import ANSWER, PAYLOAD, Calls, Jobs, Limits
from benchmarks.queues.picture import draw
from benchmarks.queues.rounds import measure_all, rate
from tests.thoroughness import THOROUGH

FEW = Limits(jobs=20, seconds=60, warm_up=3)  # so few that the number of jobs ends a measurement before the time does

BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}


def run(contestant: Contestant, environments: Environments) -> Result:
    [result] = measure_all([contestant], environments, FEW, 1, lambda what: None)
    return result


# Measuring


OURS_BY_NAME = [name for name in BY_NAME if not SYSTEMS[BY_NAME[name].system].requirements]


@pytest.mark.parametrize("name", OURS_BY_NAME if THOROUGH else ["geartrain-default", "geartrain_asyncio-fast"])
def test_every_figure_of_ours_is_measured(name: str) -> None:
    contestant = BY_NAME[name]

    result = run(contestant, Environments())

    assert result.errors == []
    [figures] = result.rounds
    expected = set(asdict(figures))
    if not SYSTEMS[contestant.system].batches:
        expected.remove("enqueue_batches")
    assert {figure for figure, value in asdict(figures).items() if value} == expected
    assert figures.p50_ms is not None
    assert figures.p99_ms is not None
    assert figures.p50_ms <= figures.p99_ms


@pytest.mark.parametrize("system", [name for name, system in SYSTEMS.items() if system.requirements])
def test_every_figure_of_the_others_is_measured(system: str) -> None:
    """Systems that `make bench-queues` has installed are measured, each with its last settings."""
    contestant = choose([system])[-1]
    environments = Environments()
    if not environments.is_there(contestant.system):
        pytest.skip(f"{contestant.system} is not installed")
    if contestant.broker.is_redis and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")

    result = run(contestant, environments)

    assert result.errors == []
    assert result.medians.drain
    assert result.medians.p50_ms
    assert result.medians.memory_mib


def test_a_system_that_cannot_be_installed_fails_alone(tmp_path: Path) -> None:
    environments = Environments(tmp_path)
    environments.failures["celery"] = "there is no network"

    celery, ours = measure_all(
        [BY_NAME["celery-default"], BY_NAME["geartrain-default"]], environments, FEW, 1, lambda what: None
    )

    assert celery.errors == ["it is not installed: there is no network"]
    assert ours.errors == []
    assert "| Celery, default | failed | failed | failed | failed | failed | failed |" in report.figures([celery])
    assert "there is no network" in report.failures([celery, ours])


def test_a_failed_installation_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SYSTEMS, "celery", replace(SYSTEMS["celery"], requirements=("/nowhere/celery",)))
    environments = Environments(tmp_path)

    environments.prepare("celery")

    assert not environments.is_there("celery")
    assert "/nowhere/celery" in environments.failures["celery"]


def test_the_error_of_a_worker_that_cannot_start_is_quoted() -> None:
    """Figures that were measured before are kept."""
    result = run(Contestant("geartrain", "sideways", "", GEARMAND_IN_MEMORY, ""), Environments())

    [error] = result.errors
    assert "sideways" in error
    assert result.medians.drain is None


def test_the_command_prints_and_saves_the_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    words = ["geartrain-default", "--rounds=1", "--jobs=20", "--seconds=60", "--warm-up=3", f"--json={file}"]

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.queues", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert f"| {BY_NAME['geartrain-default'].title} |" in done.stdout
    assert "1 round" in done.stdout
    saved = json.loads(file.read_text())["geartrain-default"]
    assert len(saved["rounds"]) == 1
    assert saved["medians"]["drain"] > 0


def test_an_unknown_contestant_is_named() -> None:
    with pytest.raises(ValueError, match="not sideways"):
        choose(["celery", "sideways"])


def test_a_system_stands_for_all_its_settings() -> None:
    assert [contestant.name for contestant in choose(["rq", "arq-fast"])] == ["rq-default", "rq-fast", "arq-fast"]


# Clocks


def test_the_warm_up_is_not_counted() -> None:
    jobs = Jobs(Limits(jobs=10, seconds=60, warm_up=4))

    assert list(jobs) == [PAYLOAD] * 14
    assert (jobs.count, jobs.total) == (10, 14)


def test_batches_have_the_requested_size() -> None:
    jobs = Jobs(Limits(jobs=10, seconds=60, warm_up=1), batch=5)

    assert [len(batch) for batch in jobs.batches()] == [5, 5, 5]
    assert (jobs.count, jobs.total) == (10, 15)


def test_time_ends_a_measurement_too() -> None:
    jobs = Jobs(Limits(jobs=sys.maxsize, seconds=0.001, warm_up=0))

    assert sum(1 for _ in jobs) == jobs.count
    assert jobs.seconds >= 0.001


def test_a_wrong_answer_is_an_error() -> None:
    calls = Calls(Limits(jobs=2, seconds=60, warm_up=1))

    for _ in calls:
        calls.answer(ANSWER)

    assert len(calls.latencies) == 2
    with pytest.raises(ValueError, match="answered 'nonsense'"):
        calls.answer("nonsense")


def test_the_start_is_left_out_of_a_rate() -> None:
    """A worker that takes 1 s for its first job and 0.1 s for others has a rate of ten."""
    times = [0.0, *(1 + number / 10 for number in range(21))]

    assert rate(times) == pytest.approx(10)


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(100, 0, -1)]

    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.99) == 100


# Comparing and writing

OURS = Result(
    BY_NAME["geartrain-default"],
    [
        Figures(enqueue=1000, enqueue_batches=100_000, drain=20_000, p50_ms=0.5, p99_ms=2, memory_mib=17),
        Figures(enqueue=4000, enqueue_batches=100_000, drain=20_000, p50_ms=0.1, p99_ms=2, memory_mib=17),
    ],
)
CELERY = Result(
    BY_NAME["celery-default"],
    [
        Figures(enqueue=1000, enqueue_batches=500, drain=1000, p50_ms=4, p99_ms=10, memory_mib=60),
        Figures(enqueue=1000, enqueue_batches=500, drain=500, p50_ms=2, p99_ms=10, memory_mib=60),
    ],
)
SOLO = Result(
    BY_NAME["celery-solo"],
    [Figures(enqueue=500, drain=800, p50_ms=3), Figures(enqueue=2000, drain=800, p50_ms=5)],
    ["it did no more\nthan this"],
)


def test_ratios_are_taken_within_a_round_to_the_best_settings() -> None:
    one_by_one, however, drain, p50 = standings([OURS, CELERY, SOLO])

    assert [standing.goal for standing in (one_by_one, however, drain, p50)] == list(GOALS)
    assert one_by_one.ratios == [1, 2]
    assert however.ratios == [100, 50]
    assert drain.ratios == [20, 25]
    assert p50.ratios == [6, 20]
    assert [one_by_one.is_met, however.is_met, drain.is_met, p50.is_met] == [False, True, True, True]


def test_nothing_is_compared_without_both_sides() -> None:
    assert standings([OURS]) == []
    assert report.comparison([OURS]) == report.goals([OURS]) == ""


def test_the_tables_have_the_measured_figures() -> None:
    assert "| Geartrain, blocking | 2,500 | 100,000 | 20,000 | 0.30 | 2.00 | 17 |" in report.figures([OURS])
    assert "| drain | 22.5 | 20.0 to 25.0 |" in report.comparison([OURS, CELERY, SOLO])
    assert "| drain | 22.5 | 20 | met |" in report.goals([OURS, CELERY, SOLO])
    assert report.failures([OURS, SOLO]) == "- Celery, solo: than this"


def test_a_page_is_filled_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- figures: begin; by a program -->\nold\n<!-- figures: end -->\nafter\n")

    fill(file, "figures", "new\n\nand more")

    assert read(file, "figures") == "new\n\nand more"
    assert file.read_text().startswith("before\n")
    assert file.read_text().endswith("\nafter\n")
    with pytest.raises(ValueError, match="no marks of the name goals"):
        fill(file, "goals", "")


def test_the_page_lists_the_current_contestants() -> None:
    assert read(PAGE, "contestants") == report.contestants(CONTESTANTS)


def test_the_page_has_figures_of_every_contestant() -> None:
    figures = read(PAGE, "figures")

    assert all(f"| {contestant.title} |" in figures for contestant in CONTESTANTS)
    assert PICTURE.exists()


def test_the_picture_has_a_row_for_each_contestant_including_failed_ones(tmp_path: Path) -> None:
    picture = tmp_path / "queues.svg"

    draw([OURS, CELERY, Result(BY_NAME["gearman3-default"], [Figures()])], picture)

    text = picture.read_text()
    assert "Celery, default" in text
    assert "gearman3" in text
    assert text.count(">failed<") == 4
