# SPDX-License-Identifier: MIT
"""Count the lines of logs by day and by kind."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from geartrain import Client

TIMEOUT = 600.0  # seconds for a log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+", help="files, which may be compressed with gzip")
    logs = parser.parse_args().logs

    total: Counter[str] = Counter()
    with Client() as client:
        for tally in client.map_reduce("cut_log", "tally_lines", readable(logs), timeout=TIMEOUT):
            total.update(json.loads(tally))
    days, kinds = part(total, "day "), part(total, "kind ")
    print(f"{total['lines']:,} lines, {total['lines'] - kinds.total():,} of them in an unknown format")
    show("Days", sorted(days.items()))
    show("Kinds", kinds.most_common())


def part(total: Counter[str], word: str) -> Counter[str]:
    return Counter({name.removeprefix(word): lines for name, lines in total.items() if name.startswith(word)})


def readable(logs: Iterable[Path]) -> Iterator[str]:
    """Yield the readable logs, and print the others: the failure of one job would end the whole query."""
    for log in logs:
        if log.is_file() and os.access(log, os.R_OK):
            yield str(log.resolve())
        else:
            print(f"{log}: cannot be read", file=sys.stderr)


def show(title: str, rows: Sequence[tuple[str, int]]) -> None:
    """Print a bar for each row."""
    longest = max((lines for _, lines in rows), default=1)
    print(f"\n{title}")
    for name, lines in rows:
        print(f"  {name:<28} {lines:>9,} {'#' * round(32 * lines / longest)}".rstrip())


if __name__ == "__main__":
    main()
