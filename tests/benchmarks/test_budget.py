# SPDX-License-Identifier: MIT
"""The budget of instructions and memory: its limits, its comparison and its report."""

import shutil
from pathlib import Path

import pytest

from benchmarks.budget.callgrind import Profile
from benchmarks.budget.limits import BUDGET, Budget, environment
from benchmarks.budget.profile import read_costs
from benchmarks.budget.report import report
from benchmarks.budget.workloads import STORED, UNSTORED, Counted, count_all
from benchmarks.load import Workload, compile_floor, compile_load
from benchmarks.measured import BenchmarkError
from tests.job_servers import needs

FIGURES = {"instructions": {"foreground": 30_000.0, "drain": 10_000.0}, "memory": {"idle-server": 30_000.0}}

ANNOTATED = """
--------------------------------------------------------------------------------
95,570,088 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir                  file:function
--------------------------------------------------------------------------------
8,755,823 ( 9.16%)  /build/Python/ceval.c:_PyEval_EvalFrameDefault [/usr/lib/libpython3.11.so.1.0]
2,341,866 ( 2.45%)  /work/build/__native.c:CPyDef_jobserver___JobServer___receive [/usr/lib/core.so]
  472,955 ( 0.49%)  /usr/include/python3.11/object.h:CPyDef_jobserver___JobServer___receive
  300,000 ( 0.30%)  ???:0x0000000004936718 [???]
        1 ( 0.00%)  ./nptl/./nptl/pthread_mutex_lock.c:pthread_mutex_lock@@GLIBC_2.2.5 [/usr/lib/libc.so.6]
"""


def test_a_saved_budget_is_loaded_unchanged(tmp_path: Path) -> None:
    budget = Budget.from_figures(FIGURES)

    budget.write(tmp_path / "budget.toml")

    assert Budget.read(tmp_path / "budget.toml") == budget
    assert budget.limits["instructions"] == {"foreground": 30_900, "drain": 10_300}


def test_the_budget_of_this_project_has_a_limit_for_each_workload() -> None:
    limits = Budget.read(BUDGET).limits

    assert set(limits["instructions"]) == {*UNSTORED, *STORED}
    assert set(limits["memory"]) == {"idle-server", "idle-worker", "queued-job", "stored-job", "replayed-job"}


def test_a_figure_exceeds_its_budget_by_one() -> None:
    budget = Budget({"instructions": {"foreground": 30_000, "drain": 9_999}, "memory": {"idle-server": 40_000}}, {})

    assert budget.exceeded(FIGURES) == [("instructions", "drain")]
    assert budget.compared(FIGURES).splitlines()[2:] == [
        "| instructions | foreground | 30,000 | 30,000 | kept |",
        "| instructions | drain | 10,000 | 9,999 | exceeded |",
        "| memory | idle-server | 30,000 | 40,000 | could be lower |",
    ]


def test_a_figure_without_a_limit_exceeds_the_budget() -> None:
    budget = Budget({"instructions": {"foreground": 30_000}, "memory": {"idle-server": 30_000}}, {})

    assert budget.exceeded(FIGURES) == [("instructions", "drain")]


def test_figures_of_another_python_are_not_compared() -> None:
    Budget({}, environment()).check_environment()

    with pytest.raises(BenchmarkError, match=r"python 2\.7"):
        Budget({}, environment() | {"python": "2.7"}).check_environment()


def test_the_costs_of_a_function_in_several_files_are_combined() -> None:
    costs = read_costs(ANNOTATED, sum)

    assert costs == {
        "_PyEval_EvalFrameDefault": 8_755_823,
        "CPyDef_jobserver___JobServer___receive": 2_341_866 + 472_955,
        "pthread_mutex_lock@@GLIBC_2.2.5": 1,
    }
    assert read_costs(ANNOTATED, max)["CPyDef_jobserver___JobServer___receive"] == 2_341_866


@pytest.mark.skipif(shutil.which("cc") is None, reason="the server is a C program")
def test_only_the_workload_is_counted_and_its_functions_are_listed(tmp_path: Path) -> None:
    """The server is that of floor.c, which starts faster than ours."""
    needs("/usr/bin/valgrind")
    work = Workload(jobs=400, clients=2, workers=2, depth=4)
    queue = Workload(jobs=400, clients=2, workers=0, depth=4, background=True)
    workloads = {
        "first": Counted(work),
        "second": Counted(work),
        "drain": Counted(Workload(jobs=400, clients=0, workers=2), queue=queue),
    }

    profiles = count_all(
        compile_floor(tmp_path), workloads, compile_load(tmp_path), tmp_path / "profiles", lambda line: None
    )

    per_job = {name: profile.per_job for name, profile in profiles.items()}
    assert per_job["second"] == pytest.approx(per_job["first"], rel=0.2)
    assert 0 < per_job["drain"] < per_job["first"]
    assert "| main |" not in _report(profiles, limit=round(per_job["first"]) + 1)
    assert "| main |" in _report(profiles, limit=round(per_job["first"]) - 1)


def _report(profiles: dict[str, Profile], limit: int) -> str:
    figures = {"instructions": {"first": profiles["first"].per_job}, "memory": {}}
    return report(Budget({"instructions": {"first": limit}, "memory": {}}, environment()), figures, profiles)
