# SPDX-License-Identifier: MIT
"""A client that is a command, run for each job: ``python -m tests.soak.agents.tool GEARMAN SERVER LEDGER NAME``."""

import subprocess
import sys
import time

from tests.soak.agents.workload import FUNCTION, Entries

_PAUSE = 0.2


def client(gearman: str, server: str, entries: Entries) -> None:
    """Submit jobs one after the other, for ever."""
    host, _, port = server.rpartition(":")
    while True:
        task = entries.ask()
        command = [gearman, "-h", host, "-p", port, "-t", "20000", "-f", FUNCTION]
        done = subprocess.run(command, input=task.workload.encode(), capture_output=True, check=False)
        if done.stdout:  # the exit status is not reliable
            entries.compare(task, done.stdout)
        else:
            entries.enter("failed", task.name)
        time.sleep(_PAUSE)


if __name__ == "__main__":
    _, program, server, ledger, name = sys.argv
    client(program, server, Entries(ledger, name))
