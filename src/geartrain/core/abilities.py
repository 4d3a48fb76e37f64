# SPDX-License-Identifier: MIT
"""Which functions a peer can do, and where it sleeps: `Peer.abilities`, and the workers and sleepers of each queue."""

from typing import Final

from mypy_extensions import i64

from geartrain.core.sleepstate import SleepState
from geartrain.core.state import Ability, FunctionQueue, Peer

__all__ = [
    "add_ability",
    "fall_asleep",
    "functions",
    "leave_lists",
    "move_last",
    "next_sleeper",
    "remove_ability",
    "remove_sleeper",
]

_PER_UNIT: Final = 3  # as a power of two: entries of a table that are looked at for one unit of cost
_ASLEEP: Final = int(SleepState.ASLEEP)
_POLLING: Final = int(SleepState.POLLING)


def add_ability(peer: Peer, queue: FunctionQueue, timeout: float) -> Ability:
    """Add a function at the front of a peer's list, or change the timeout of one that it has."""
    ability = peer.abilities.get(queue.name)
    if ability is not None:
        ability.timeout = timeout
        return ability
    peer.first_rank -= 1
    ability = Ability(peer, queue, peer.first_rank, timeout)
    peer.abilities[queue.name] = ability
    peer.sole = ability if len(peer.abilities) == 1 else None
    queue.workers[peer] = ability
    if peer.is_asleep:
        queue.sleepers[peer] = None
    else:
        peer.unlisted[queue] = None
    return ability


def remove_ability(ability: Ability) -> None:
    """Remove a function from the list of its peer."""
    peer = ability.peer
    queue = ability.queue
    abilities = peer.abilities
    ability.is_enabled = False
    del abilities[queue.name]
    peer.sole = next(iter(abilities.values())) if len(abilities) == 1 else None
    del queue.workers[peer]
    queue.sleepers.pop(peer, None)
    peer.unlisted.pop(queue, None)


def fall_asleep(peer: Peer, state: i64) -> None:
    """Add a peer to the sleepers of all its functions: at the front if it polls, else at the end."""
    peer.sleep_state = state
    peer.debt += len(peer.unlisted) >> _PER_UNIT
    for queue in peer.unlisted:
        queue.sleepers[peer] = None
        if state == _POLLING:
            queue.sleepers.move_to_end(peer, last=False)
    peer.unlisted.clear()


def leave_lists(peer: Peer) -> None:
    """Remove a peer from the sleepers of all its functions; it enters them again at the end."""
    for ability in peer.abilities.values():
        remove_sleeper(ability.queue, peer)


def move_last(ability: Ability) -> None:
    """Move a function that was served to the end of its peer's list (round robin)."""
    peer = ability.peer
    peer.last_rank += 1
    ability.rank = peer.last_rank


def functions(peer: Peer) -> list[bytes]:
    """Return the names of the functions that a peer can do, in the order of its list."""
    return [ability.queue.name for ability in sorted(peer.abilities.values(), key=_rank)]


def next_sleeper(queue: FunctionQueue) -> Peer | None:
    """Return the worker that has been asleep longest, or None."""
    while queue.sleepers:
        peer = next(iter(queue.sleepers))
        if peer.sleep_state == _ASLEEP or peer.sleep_state == _POLLING:
            return peer
        remove_sleeper(queue, peer)
    return None


def remove_sleeper(queue: FunctionQueue, peer: Peer) -> None:
    """Remove a peer from the list of sleepers until it falls asleep again."""
    del queue.sleepers[peer]
    peer.unlisted[queue] = None


def _rank(ability: Ability) -> int:
    return ability.rank
