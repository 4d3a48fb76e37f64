# SPDX-License-Identifier: MIT
"""Send malformed input to running servers: ``make fuzz ARGS='--packets 1000000'``."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.fuzzing import Fuzzing
from tests.fuzz.minimization import Conversation, minimize, read, replay, write

_A_ROUND = 5000


def main() -> None:
    """Run until all packets are sent, or a check fails."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--packets", type=int, default=50_000, help="number of packets to send (default: 50,000)")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="seed of the random generator"
    )
    parser.add_argument("--again", type=Path, metavar="FILE", help="replay the conversations that a failed run saved")
    options = parser.parse_args()
    if options.again is not None:
        sys.exit(replay(read(options.again)) or None)
    print(f"seed {options.seed}", flush=True)
    fuzz(options.seed, options.packets)


def fuzz(seed: int, packets: int) -> None:
    """Send so many packets, and save the conversations if a check fails."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, Fuzzing(seed, Path(folder)) as fuzzing:
        while fuzzing.packets < packets:
            try:
                fuzzing.round(min(_A_ROUND, packets - fuzzing.packets))
            except AssertionError as fault:
                print(f"seed {seed}, after {fuzzing.packets:,} packets: {fault}", flush=True)
                write_down(list(fuzzing.conversations), Path(f"fuzz-{seed}.txt"))
                raise
            seconds = time.monotonic() - begun
            facts = f"{fuzzing.jobs:,} jobs of valid peers, memory {fuzzing.memory_mib}"
            print(f"{fuzzing.packets:,} packets, {seconds:.0f} s: {facts}", flush=True)


def write_down(conversations: Sequence[Conversation], file: Path) -> None:
    """Save the last conversations, or the smallest part of them that fails."""
    few = minimize(conversations)
    write(few or conversations, file)
    what = "the smallest failing input" if few else "the last input, which does not fail when replayed,"
    print(f"{what} is in {file}", flush=True)


if __name__ == "__main__":
    main()
