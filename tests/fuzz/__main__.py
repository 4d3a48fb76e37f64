# SPDX-License-Identifier: MIT
"""Say to live servers what no server wants to hear: ``make fuzz ARGS='--packets 1000000'``."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.culprit import Conversation, fault_of, read, smallest, write
from tests.fuzz.fuzzing import Fuzzing

_A_ROUND = 5000


def main() -> None:
    """Go on until all packets are sent, or something is seen that must not be."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--packets", type=int, default=50_000, help="how many are sent (50,000)")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="decides what they are"
    )
    parser.add_argument("--again", type=Path, metavar="FILE", help="say again what was written down at a failure")
    options = parser.parse_args()
    if options.again is not None:
        sys.exit(fault_of(read(options.again)) or None)
    print(f"seed {options.seed}", flush=True)
    fuzz(options.seed, options.packets)


def fuzz(seed: int, packets: int) -> None:
    """Send so many packets, and write down what was said if the servers do not bear it."""
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
            facts = f"{fuzzing.jobs:,} jobs of bystanders, memory {fuzzing.memory_mib}"
            print(f"{fuzzing.packets:,} packets, {seconds:.0f} s: {facts}", flush=True)


def write_down(conversations: Sequence[Conversation], file: Path) -> None:
    """Keep what was said last, or the smallest part of it that is enough."""
    few = smallest(conversations)
    write(few or conversations, file)
    what = "the smallest part of it that is wrong" if few else "the last of it, which does no harm when said again,"
    print(f"{what} is in {file}", flush=True)


if __name__ == "__main__":
    main()
