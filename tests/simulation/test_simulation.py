# SPDX-License-Identifier: MIT
"""No invariant breaks in some simulations; each replays exactly; and planted defects break the invariants."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from geartrain.core import IS_COMPILED
from tests.simulation.defects import planted
from tests.simulation.simulation import Failure, simulate

SEEDS = range(2 if IS_COMPILED else 1, 25, 2)  # the two servers share them
FOR_DEFECTS = range(1, 6)

# A simulation that fails stops its loop, with tasks that have not begun.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


def simulate_all(seeds: Iterable[int]) -> None:
    for seed in seeds:
        simulate(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_invariant_breaks(seed: int) -> None:
    report = simulate(seed)

    assert report.seconds > 60.0


def test_a_seed_replays_exactly_in_another_process() -> None:
    def digests(hashes: int) -> list[str]:
        command = [sys.executable, "-m", "tests.simulation", "--seeds", "3", "--seed", "11", "--digests"]
        environment = os.environ | {"PYTHONHASHSEED": str(hashes)}
        run = subprocess.run(
            command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=True
        )
        return [line for line in run.stdout.splitlines() if len(line.split()) == 2]

    first = digests(1)

    assert len(first) == 3
    assert digests(2) == first


@pytest.mark.skipif(IS_COMPILED, reason="compiled code cannot be changed")
@pytest.mark.parametrize(
    ("defect", "message"),
    [
        ("acknowledges before the commit", "was acknowledged before it was stored"),
        ("tells the first client only", "was not told that"),
        ("begins numbers again", "was that of|came as"),
        ("drops input at a packet boundary", "sent [A-Z_]+ instead of|instead of JOB_CREATED"),
        ("forgets a cancel", "after its end by a cancel"),
        ("tells no client of a cancel", "was not told that"),
        ("starts schedules early", "seconds too early"),
        ("forgets the reducer", "came without its reducer"),
        ("checks no right to a reducer", "without the right"),
    ],
)
def test_a_planted_defect_is_found(defect: str, message: str) -> None:
    with planted(defect), pytest.raises(Failure, match=message):
        simulate_all(FOR_DEFECTS)
