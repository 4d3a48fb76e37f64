# SPDX-License-Identifier: MIT
"""Kill job servers and their stores for as long as it takes to believe in them: ``make crash ARGS='--rounds 200'``."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import pytest

from tests.crash.crashes import Crashes
from tests.storage.places import STORES


def main() -> None:
    """Go on until all rounds are done, or a promise is broken."""
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="where jobs are kept; all without")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is killed (20)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="decides what happens")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    for store in options.store or STORES:
        try:
            crash(store, options.rounds, options.seed)
        except pytest.skip.Exception as missing:
            print(f"{store}: left out, {missing}", flush=True)


def crash(store: str, rounds: int, seed: int) -> None:
    """Kill one store so many times."""
    with tempfile.TemporaryDirectory(prefix="crash-") as folder, STORES[store](Path(folder)) as place:
        crashes = Crashes(place, seed)
        begun = time.monotonic()
        for number in range(1, rounds + 1):
            victim = crashes.live_and_die()
            seconds = time.monotonic() - begun
            print(f"{store} {number} of {rounds}, {seconds:.0f} s: {crashes.books}, killed {victim.value}", flush=True)
        crashes.look()
    print(f"{store}: no promise was broken", flush=True)


if __name__ == "__main__":
    main()
