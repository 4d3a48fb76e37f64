# SPDX-License-Identifier: MIT
"""Tables of the figures in Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.queues.contestants import SYSTEMS, Contestant
from benchmarks.queues.figures import Result
from benchmarks.queues.goals import standings

__all__ = ["comparison", "contestants", "failures", "figures", "goals"]

_NOTHING = "-"
_FAILED = "failed"

_FIGURES = (
    ("", "---"),
    ("enqueue, one by one, jobs/s", "---:"),
    ("enqueue, in batches, jobs/s", "---:"),
    ("drain, jobs/s", "---:"),
    ("round trip p50, ms", "---:"),
    ("p99, ms", "---:"),
    ("idle worker, MiB", "---:"),
)


def figures(results: Sequence[Result]) -> str:
    """Format the medians."""
    return _table(_FIGURES, map(_row, results))


def _row(result: Result) -> tuple[str, ...]:
    medians = result.medians
    batches = _NOTHING if not SYSTEMS[result.contestant.system].batches else _rate(medians.enqueue_batches)
    return (
        result.contestant.title,
        _rate(medians.enqueue),
        batches,
        _rate(medians.drain),
        _time(medians.p50_ms),
        _time(medians.p99_ms),
        _FAILED if medians.memory_mib is None else f"{medians.memory_mib:.0f}",
    )


def _rate(jobs: float | None) -> str:
    return _FAILED if jobs is None else f"{jobs:,.0f}"


def _time(ms: float | None) -> str:
    if ms is None:
        return _FAILED
    return f"{ms:.2f}" if ms < 10 else f"{ms:.0f}"


def comparison(results: Sequence[Result]) -> str:
    """Format the ratios of Geartrain and Celery."""
    head = (("best of Geartrain / best of Celery", "---"), ("ratio", "---:"), ("ratio, by round", "---:"))
    rows = [
        (
            standing.goal.title,
            f"{standing.ratio:.1f}",
            f"{min(standing.ratios):.1f} to {max(standing.ratios):.1f}",
        )
        for standing in standings(results)
    ]
    return _table(head, rows) if rows else ""


def goals(results: Sequence[Result]) -> str:
    """Format the ratios of Geartrain and Celery beside their goals."""
    head = (("Geartrain / Celery", "---"), ("ratio", "---:"), ("goal", "---:"), ("", "---"))
    rows = [
        (
            standing.goal.title,
            f"{standing.ratio:.1f}",
            f"{standing.goal.ratio:g}",
            "met" if standing.is_met else "missed",
        )
        for standing in standings(results)
    ]
    return _table(head, rows) if rows else ""


def failures(results: Sequence[Result]) -> str:
    """List the failures, with the last line of each error."""
    lines = [
        f"- {result.contestant.title}: {error.strip().splitlines()[-1]}"
        for result in results
        for error in dict.fromkeys(result.errors)
    ]
    return "\n".join(lines)


def contestants(chosen: Sequence[Contestant]) -> str:
    """List the settings, and the promises of systems and brokers."""
    systems = {SYSTEMS[each.system].title: SYSTEMS[each.system].promise for each in chosen}
    brokers = {each.broker.title: each.broker.promise for each in chosen}
    return "\n\n".join(
        [
            _table(
                (("", "---"), ("settings", "---"), ("broker", "---")),
                ((each.title, each.meaning, each.broker.title) for each in chosen),
            ),
            _table((("", "---"), ("queued jobs", "---")), brokers.items()),
            _table((("", "---"), ("if a worker dies, its job", "---")), systems.items()),
        ]
    )


def _table(head: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    titles, rules = zip(*head, strict=True)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [titles, rules, *rows])
