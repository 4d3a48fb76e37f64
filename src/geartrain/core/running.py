# SPDX-License-Identifier: MIT
"""Which jobs a peer runs, or may run: one as a field, further ones in a table by handle."""

from collections import OrderedDict

from geartrain.core.state import FunctionQueue, Job, Peer

__all__ = [
    "add_running",
    "count_running",
    "find_running",
    "first_job_for",
    "helpers",
    "last_running",
    "remove_running",
    "running_jobs",
]


def find_running(peer: Peer, handle: bytes) -> Job | None:
    """Return the job with that handle if the peer runs it, or None."""
    job = peer.current
    if job is not None and job.handle == handle:
        return job
    return peer.running.get(handle) if peer.running is not None else None


def add_running(peer: Peer, job: Job) -> None:
    """Add a job that the peer runs."""
    if peer.current is None:
        peer.current = job
    else:
        if peer.running is None:
            peer.running = OrderedDict()
        peer.running[job.handle] = job


def remove_running(peer: Peer, job: Job) -> None:
    """Remove a job that the peer ran."""
    running = peer.running
    if peer.current is not job:
        assert running is not None, "it runs the job"
        del running[job.handle]
    elif running is not None and len(running):
        _, peer.current = running.popitem(last=False)
    else:
        peer.current = None


def count_running(peer: Peer) -> int:
    """Return the number of jobs that the peer runs."""
    return (1 if peer.current is not None else 0) + (len(peer.running) if peer.running is not None else 0)


def last_running(peer: Peer) -> Job:
    """Return the newest of the jobs that the peer runs. There must be one."""
    running = peer.running
    job = next(reversed(running.values())) if running else peer.current
    assert job is not None, "it runs a job"
    return job


def running_jobs(peer: Peer) -> list[Job]:
    """Return the jobs that the peer runs, the oldest first."""
    if peer.current is None:
        return []
    return [peer.current, *peer.running.values()] if peer.running else [peer.current]


def helpers(peer: Peer) -> set[Peer]:
    """Return the peers that run the jobs for which the peer waits."""
    return {job.worker for job in peer.awaited if job.worker is not None}


def first_job_for(queue: FunctionQueue, peer: Peer) -> Job | None:
    """Return the next job of a function for a peer, skipping those that it may still run after a timeout."""
    for line in queue.lines:
        job = line.head
        while job is not None:
            if job.handle not in peer.taken_away:
                return job
            job = job.next
    return None
