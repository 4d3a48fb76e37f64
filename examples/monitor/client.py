# SPDX-License-Identifier: MIT
"""Query all machines and print a table; the exit status is 1 if one of them does not answer."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from geartrain import JSON, AdminClient, Client, JobRequest, JobTimeout, SubmittedJob

RETRY_AFTER = 0.1  # seconds, while no agent has connected
ROW = "{:<20} {:>18} {:>5} {:>7} {:>18}   {}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, metavar="SECONDS", help="repeat the query until interrupted")
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="SECONDS", help="limit for all answers together [%(default)g]"
    )
    options = parser.parse_args()
    every, timeout = options.every, options.timeout
    all_answered = show_machines(timeout)
    with contextlib.suppress(KeyboardInterrupt):
        while every is not None:
            time.sleep(every)
            print()
            all_answered = show_machines(timeout)
    return 0 if all_answered else 1


def show_machines(timeout: float) -> bool:
    """Print a line for each machine; return whether all of them answered."""
    all_answered = True
    machines = wait_for_machines(timeout)
    if not machines:
        print(f"No agent has connected within {timeout:g} s: start examples/monitor/agent.py", file=sys.stderr)
        return False
    print(ROW.format("MACHINE", "LOAD 1, 5, 15 MIN", "CPUS", "MEMORY", "UP", "DISKS"))
    with Client(codec=JSON) as client:  # when it disconnects, the server drops the jobs without an answer
        jobs = {name: ask(client, name) for name, is_connected in machines.items() if is_connected}
        deadline = time.monotonic() + timeout
        for name in machines:
            try:
                print(row(name, jobs[name], deadline) if name in jobs else f"{name:<20} gone")
            except JobTimeout:
                print(f"{name:<20} no answer within {timeout:g} s")
                all_answered = False
    return all_answered and len(jobs) == len(machines)


def wait_for_machines(timeout: float) -> dict[str, bool]:
    """Return the known machines, after waiting for the first one if there is none."""
    deadline = time.monotonic() + timeout
    while not (machines := known_machines()) and time.monotonic() < deadline:
        time.sleep(RETRY_AFTER)
    return machines


def known_machines() -> dict[str, bool]:
    """Return the machines that had an agent on this server, and whether the agent is connected now."""
    with AdminClient() as admin:
        rows = sorted((row.function, row.workers) for row in admin.status())
    return {name.removeprefix("load@"): workers > 0 for name, workers in rows if name.startswith("load@")}


def ask(client: Client[Any, Any], name: str) -> list[SubmittedJob[Any]]:
    return client.submit_many([JobRequest(f"load@{name}"), JobRequest(f"disk@{name}")])


def row(name: str, jobs: Sequence[SubmittedJob[Any]], deadline: float) -> str:
    """Wait for the answers of a machine, and return its line."""
    machine, disks = (job.result(deadline - time.monotonic()) for job in jobs)
    return ROW.format(
        name,
        " ".join(f"{figure:5.2f}" for figure in machine["load"]),
        machine["processors"],
        f"{machine['memory']:.0f} %",
        str(timedelta(seconds=round(machine["up"]))),
        ", ".join(f"{place} {each['used']:.0f} % of {each['size'] / 2**30:.0f} GiB" for place, each in disks.items()),
    )


if __name__ == "__main__":
    sys.exit(main())
