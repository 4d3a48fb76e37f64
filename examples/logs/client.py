# SPDX-License-Identifier: MIT
"""Shows how many lines logs have of each day and of each kind."""

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from geartrain import Client

A_PIECE = 256 * 1024  # bytes of log
PATIENCE = 60.0  # seconds for a piece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+", help="files, also compressed ones as logrotate leaves them")
    logs = parser.parse_args().logs

    lines = 0
    days: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    with Client() as client:
        for answer in client.map("tally_log", pieces(logs), timeout=PATIENCE):
            tally = json.loads(answer)
            lines += tally["lines"]
            days.update(tally["days"])
            kinds.update(tally["kinds"])
    print(f"{lines:,} lines, {lines - kinds.total():,} of them in no format that is known")
    show("Days", sorted(days.items()))
    show("Kinds", kinds.most_common())


def pieces(logs: Sequence[Path]) -> Iterator[bytes]:
    """Read logs in pieces of whole lines; what cannot be read is named and left out."""
    for log in logs:
        try:
            with gzip.open(log) if log.suffix == ".gz" else log.open("rb") as file:
                while lines := file.readlines(A_PIECE):
                    yield b"".join(lines)
        except OSError as error:
            print(error, file=sys.stderr)


def show(title: str, rows: Sequence[tuple[str, int]]) -> None:
    """Draw a bar for each row."""
    longest = max((lines for _, lines in rows), default=1)
    print(f"\n{title}")
    for name, lines in rows:
        print(f"  {name:<28} {lines:>9,} {'#' * round(32 * lines / longest)}".rstrip())


if __name__ == "__main__":
    main()
