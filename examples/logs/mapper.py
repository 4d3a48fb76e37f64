# SPDX-License-Identifier: MIT
"""The worker that reads logs: it cuts them into pieces for the reducers, and adds up what these say."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from geartrain import AssignedJob, Worker

A_PIECE = 256 * 1024  # bytes of log

# Never in one worker with the reducer: all its hands could be busy with logs, waiting for one that does the pieces.
worker = Worker(client_id="mapper", concurrency=2)


def add_up(tallies: Iterator[bytes]) -> str:
    """Make one tally of those of all pieces."""
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(json.loads(tally))
    return json.dumps(total)


@worker.partition(aggregate=add_up)
def cut_log(job: AssignedJob) -> Iterator[bytes]:
    """Read a log, also a compressed one as logrotate leaves it, in pieces of whole lines."""
    log = Path(job.text)
    with gzip.open(log) if log.suffix == ".gz" else log.open("rb") as file:
        while lines := file.readlines(A_PIECE):
            yield b"".join(lines)


if __name__ == "__main__":
    worker.run()
