# SPDX-License-Identifier: MIT
"""The worker that reads logs: it divides them into pieces for the reducers, and adds up their counts."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from geartrain import AssignedJob, Worker

A_PIECE = 256 * 1024  # bytes of log

# Mapper and reducer must not be one worker: all of its threads could be mappers that wait for a reducer.
worker = Worker(client_id="mapper", concurrency=2)


def add_up(tallies: Iterator[bytes]) -> str:
    """Add up the counts of all pieces."""
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(json.loads(tally))
    return json.dumps(total)


@worker.partition(aggregate=add_up)
def cut_log(job: AssignedJob) -> Iterator[bytes]:
    """Read a log, which may be compressed with gzip, in pieces of whole lines."""
    log = Path(job.text)
    with gzip.open(log) if log.suffix == ".gz" else log.open("rb") as file:
        while lines := file.readlines(A_PIECE):
            yield b"".join(lines)


if __name__ == "__main__":
    worker.run()
