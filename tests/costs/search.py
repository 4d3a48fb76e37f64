# SPDX-License-Identifier: MIT
"""The cost of a turn in which a peer sends as much as it can, in a given state."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from geartrain.testing.wire import Wire
from tests.costs.counting import Steps, TooMany, count
from tests.costs.grammar import FLOODS, OPTIONS, STATES

__all__ = ["MOST_BYTES", "MOST_INSTRUCTIONS", "MOST_STEPS", "Case", "Cost", "cases", "measure", "measure_instructions"]

MOST_STEPS: Steps = 3_000_000  # lines in one turn: 5,000 ordinary packets take 100 to 300 each
MOST_INSTRUCTIONS = 100_000_000  # of the compiled server in one turn, with those of the interpreter: 20 to 50 ms
MOST_BYTES = 8 << 20  # bytes for all peers in one turn
_SENT = 256 * 1024  # bytes that one peer sends at once: the most that event loops read
_TURNS = 3  # in each of which the cost is bounded


@dataclass(frozen=True, slots=True)
class Case:
    """A state, and what one peer sends in it.

    Attributes:
        end: The connection ends after it, and a minute passes.
    """

    options: str
    state: str
    size: int
    flood: str
    end: bool = False

    def __str__(self) -> str:
        end = ", then leaves" if self.end else ""
        return f"{self.size} {self.state} ({self.options}); a peer sends {self.flood}{end}"


@dataclass(frozen=True, slots=True)
class Cost:
    """The worst turn of a case.

    Attributes:
        steps: Lines that ran, or one more than are allowed; or instructions.
        sent: Bytes for all peers.
        most: The number of steps that are allowed.
    """

    steps: Steps
    sent: int
    most: Steps = MOST_STEPS

    @property
    def is_too_much(self) -> bool:
        """True if the turn was too long, or the replies too large."""
        return self.steps > self.most or self.sent > MOST_BYTES


def measure(case: Case) -> Cost:
    """Return the cost of the worst turn in steps; it is not finished if it takes too many."""

    def steps(turn: Callable[[], object]) -> Steps:
        try:
            return count(turn, MOST_STEPS)
        except TooMany:
            return MOST_STEPS + 1

    return _measure(case, steps, MOST_STEPS)


def measure_instructions(case: Case, counter: Callable[[Callable[[], object]], int]) -> Cost:
    """Return the cost of the worst turn in instructions, counted by ``counter``."""
    return _measure(case, counter, MOST_INSTRUCTIONS)


def _measure(case: Case, counter: Callable[[Callable[[], object]], int], most: int) -> Cost:
    wire = Wire(OPTIONS[case.options])
    peer = wire.connect()
    STATES[case.state](wire, peer, case.size)
    wire.settle()
    _take(wire)
    packets = FLOODS[case.flood]
    average = sum(map(len, packets)) / len(packets)
    data = b"".join(islice(cycle(packets), int(_SENT / average)))

    def first() -> None:
        peer.send_bytes(data)
        wire.server.tick()

    def last() -> None:
        peer.close()
        wire.advance(61.0)

    turns = [first, *[wire.tick] * (_TURNS - 1), *([last, *[wire.tick] * _TURNS] if case.end else [])]
    worst = Cost(0, 0, most)
    for turn in turns:
        steps = counter(turn)
        sent = _take(wire)
        worst = Cost(max(worst.steps, steps), max(worst.sent, sent), most)
        if worst.is_too_much:
            break
    return worst


def cases(size: int) -> Iterator[Case]:
    """Yield every state of a size with every flood."""
    for options in OPTIONS:
        for state in STATES:
            for flood in FLOODS:
                for end in (False, True):
                    yield Case(options, state, size, flood, end)


def _take(wire: Wire) -> int:
    """Return the number of bytes that were sent to all peers."""
    return sum([len(data) for peer in wire.peers for data in peer.peer.outbox.take()])
