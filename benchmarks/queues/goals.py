# SPDX-License-Identifier: MIT
"""Goals for the ratios of Geartrain and Celery."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.queues.brokers import GEARMAND_IN_MEMORY
from benchmarks.queues.figures import Figures, Result

__all__ = ["GOALS", "Goal", "Standing", "standings"]

OURS = ("geartrain", "geartrain_asyncio")
THEIRS = ("celery",)


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal for one ratio.

    Attributes:
        title: Its name.
        figure: Selects the compared figure of a round.
        ratio: The goal.
        less_is_better: True if the figure is a time.
    """

    title: str
    figure: Callable[[Figures], float | None]
    ratio: float
    less_is_better: bool = False


def _any_enqueue(figures: Figures) -> float | None:
    return max((rate for rate in (figures.enqueue, figures.enqueue_batches) if rate is not None), default=None)


GOALS = (
    Goal("enqueue, one by one", lambda figures: figures.enqueue, 20),
    Goal("enqueue, fastest way of each", _any_enqueue, 20),
    Goal("drain", lambda figures: figures.drain, 20),
    Goal("round trip, p50", lambda figures: figures.p50_ms, 10, less_is_better=True),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The measured ratios for a goal.

    Attributes:
        ratios: The ratio of the best of Geartrain and the best of Celery, by round.
    """

    goal: Goal
    ratios: list[float]

    @property
    def ratio(self) -> float:
        """The median."""
        return median(self.ratios)

    @property
    def is_met(self) -> bool:
        """Return whether the goal is met."""
        return self.ratio >= self.goal.ratio


def standings(results: Sequence[Result]) -> list[Standing]:
    """Compare Geartrain with Celery, for the goals for which both have figures."""
    ours = [result for result in results if result.contestant.system in OURS and _is_kept(result)]
    theirs = [result for result in results if result.contestant.system in THEIRS]
    found = [Standing(goal, _ratios(goal, ours, theirs)) for goal in GOALS]
    return [standing for standing in found if standing.ratios]


def _is_kept(result: Result) -> bool:
    """Return whether queued jobs survive the server, as in Redis; others are not compared."""
    return result.contestant.broker is not GEARMAND_IN_MEMORY


def _ratios(goal: Goal, ours: Sequence[Result], theirs: Sequence[Result]) -> list[float]:
    rounds = max((len(result.rounds) for result in [*ours, *theirs]), default=0)
    pairs = [(_best(goal, ours, number), _best(goal, theirs, number)) for number in range(rounds)]
    return [(b / a if goal.less_is_better else a / b) for a, b in pairs if a is not None and b is not None]


def _best(goal: Goal, results: Sequence[Result], number: int) -> float | None:
    """Return the best figure of these results in a round."""
    values = [value for result in results if (value := goal.figure(result.rounds[number])) is not None]
    return (min if goal.less_is_better else max)(values, default=None)
