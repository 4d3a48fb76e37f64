# SPDX-License-Identifier: MIT
"""Asks all machines how they are, and prints a table. Its exit status is 1 if one of them does not answer."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from geartrain import JSON, AdminClient, Client, JobRequest, JobTimeout, SubmittedJob

PATIENCE = 5.0  # seconds for all answers together
ROW = "{:<20} {:>18} {:>5} {:>7} {:>18}   {}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, metavar="SECONDS", help="ask again and again, until interrupted")
    every = parser.parse_args().every
    all_answered = show_machines()
    with contextlib.suppress(KeyboardInterrupt):
        while every is not None:
            time.sleep(every)
            print()
            all_answered = show_machines()
    return 0 if all_answered else 1


def show_machines() -> bool:
    """Print what each machine answers, or that it does not; return whether all of them did."""
    all_answered = True
    machines = known_machines()
    print(ROW.format("MACHINE", "LOAD 1, 5, 15 MIN", "CPUS", "MEMORY", "UP", "DISKS"))
    with Client(codec=JSON) as client:  # when it leaves, the server forgets the questions that were not answered
        jobs = {name: ask(client, name) for name, is_connected in machines.items() if is_connected}
        deadline = time.monotonic() + PATIENCE
        for name in machines:
            try:
                print(row(name, jobs[name], deadline) if name in jobs else f"{name:<20} gone")
            except JobTimeout:
                print(f"{name:<20} no answer within {PATIENCE:g} seconds")
                all_answered = False
    return all_answered and len(jobs) == len(machines)


def known_machines() -> dict[str, bool]:
    """Return the machines that the server has ever seen, and whether each is connected now."""
    with AdminClient() as admin:
        rows = sorted((row.function, row.workers) for row in admin.status())
    return {name.removeprefix("load@"): workers > 0 for name, workers in rows if name.startswith("load@")}


def ask(client: Client[Any, Any], name: str) -> list[SubmittedJob[Any]]:
    return client.submit_many([JobRequest(f"load@{name}"), JobRequest(f"disk@{name}")])


def row(name: str, jobs: Sequence[SubmittedJob[Any]], deadline: float) -> str:
    """Return the line for a machine, once it has answered."""
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
