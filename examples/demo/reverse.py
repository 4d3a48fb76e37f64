# SPDX-License-Identifier: MIT
"""A worker with one function, which reverses its workload."""

from geartrain import AssignedJob, Worker

worker = Worker(client_id="reverse.py")


@worker.function
def reverse(job: AssignedJob) -> bytes:
    return job.workload[::-1]


if __name__ == "__main__":
    worker.run()  # until SIGINT or SIGTERM; servers come from $GEARMAN_SERVERS
