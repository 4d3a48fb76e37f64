# SPDX-License-Identifier: MIT
"""A worker that reads pieces of logs and says how many lines there are of each day and each kind."""

import json
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

worker = Worker(client_id="logs", concurrency=2)


@worker.function(timeout=60)
def tally_log(job: AssignedJob) -> str:
    """Count the lines of a piece of a log."""
    days: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    lines = job.workload.decode(errors="replace").splitlines()
    for line in lines:
        if found := next(filter(None, (known.match(line) for known in FORMATS)), None):
            days[found["day"]] += 1
            kinds[found["kind"]] += 1
    return json.dumps({"lines": len(lines), "days": days, "kinds": kinds})


if __name__ == "__main__":
    worker.run()
