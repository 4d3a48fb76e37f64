# SPDX-License-Identifier: MIT
"""OpenStack's gear: a worker, and a client that runs one job of each kind.

Usage: gear_peer.py worker|client HOST PORT
"""

import queue
import sys

import gear  # type: ignore[import-not-found]  # it has an environment of its own


def work(host: str, port: int) -> None:
    """Do jobs until one says to leave."""
    worker = gear.Worker("gear-worker")
    worker.addServer(host, port)
    worker.waitForServer(timeout=30)
    for function in ("reverse", "talk", "fail", "raise", "leave"):
        worker.registerFunction(function)
    print("ready", flush=True)
    leaving = False
    while not leaving:
        job = worker.getJob()
        name = job.name if isinstance(job.name, str) else job.name.decode()
        if name == "fail":
            job.sendWorkFail()
        elif name == "raise":
            job.sendWorkException(b"out of " + job.arguments)
        else:
            if name == "talk":
                job.sendWorkStatus(1, 4)
                job.sendWorkData(b"da\0ta")
                job.sendWorkWarning(b"careful")
            job.sendWorkComplete(job.arguments[::-1])
        leaving = name == "leave"
    worker.shutdown()


class Client(gear.Client):  # type: ignore[misc]  # for the same reason
    """A client that hands on the end of each job."""

    def __init__(self) -> None:
        super().__init__("gear-client")
        self.ended: queue.Queue[gear.Job] = queue.Queue()

    def _hand_on(self, job: gear.Job) -> gear.Job:
        self.ended.put(job)
        return job

    def handleWorkComplete(self, packet: gear.Packet) -> gear.Job:  # noqa: N802  # gear's name
        return self._hand_on(super().handleWorkComplete(packet))

    def handleWorkFail(self, packet: gear.Packet) -> gear.Job:  # noqa: N802  # gear's name
        return self._hand_on(super().handleWorkFail(packet))

    def handleWorkException(self, packet: gear.Packet) -> gear.Job:  # noqa: N802  # gear's name
        return self._hand_on(super().handleWorkException(packet))


def ask(host: str, port: int) -> None:
    """Have jobs done."""
    client = Client()
    client.addServer(host, port)
    client.waitForServer(timeout=30)
    client.setOption("exceptions")
    priorities = [gear.PRECEDENCE_NORMAL, gear.PRECEDENCE_LOW, gear.PRECEDENCE_HIGH, gear.PRECEDENCE_NORMAL]
    for function, precedence in zip(("reverse", "talk", "fail", "raise"), priorities, strict=True):
        job = gear.Job(function.encode(), b"w\0rk")
        client.submitJob(job, precedence=precedence)
        job = client.ended.get(timeout=30)
        progress = f"{job.numerator}/{job.denominator}"
        print(function, job.failure, job.exception, b"".join(job.data), job.warning, progress, flush=True)
    rows = gear.StatusAdminRequest()
    for connection in client.active_connections:
        connection.sendAdminRequest(rows)
    print("status" if rows.response.endswith(b".\n") else rows.response, flush=True)
    client.shutdown()


{"worker": work, "client": ask}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
