# SPDX-License-Identifier: MIT
"""A worker that counts the lines of a piece of a log by day and by kind."""

import json
import os
import re
from collections import Counter

from geartrain import AssignedJob, Worker

DAY = r"(?P<day>\d{4}-\d\d-\d\d)"
FORMATS = [
    re.compile(rf"{DAY} [\d:]{{8}} (?P<kind>status \S+|[a-z]+) "),  # dpkg.log
    re.compile(rf"(?P<kind>update-alternatives) {DAY} "),  # alternatives.log
    re.compile(rf"{DAY}T\S+ \S+ (?P<kind>[^\s:[]+)"),  # syslog, by program
    re.compile(rf" *(?P<kind>[A-Z]+) {DAY} "),  # gearmand's, by level
]

worker = Worker(client_id="reducer", executor="process", concurrency=os.cpu_count() or 1)


@worker.function(timeout=60)
def tally_lines(job: AssignedJob) -> str:
    tally: Counter[str] = Counter()
    for line in job.workload.decode(errors="replace").splitlines():
        tally["lines"] += 1
        if found := next(filter(None, (known.match(line) for known in FORMATS)), None):
            tally[f"day {found['day']}"] += 1
            tally[f"kind {found['kind']}"] += 1
    return json.dumps(tally)


if __name__ == "__main__":
    worker.run()
