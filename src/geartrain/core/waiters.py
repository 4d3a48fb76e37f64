# SPDX-License-Identifier: MIT
"""Which peers wait for which jobs: the waiters of a job and `Peer.awaited`, kept the same.

Most jobs have one waiter, which is a field of the job. Further ones are in a table among its details.
"""

from geartrain.core.state import Job, Peer

__all__ = ["add_waiter", "all_waiters", "count_waiters", "count_waits", "detach_waiters", "remove_waiter"]


def count_waits(job: Job, peer: Peer) -> int:
    """Return the number of foreground submissions of a peer that wait for the job."""
    if job.waiter is not None:
        return 1 if job.waiter is peer else 0
    return job.waiters.get(peer, 0) if job.waiters is not None else 0


def count_waiters(job: Job) -> int:
    """Return the number of foreground submissions that wait for the job."""
    return 1 if job.waiter is not None else sum(job.waiters.values()) if job.waiters is not None else 0


def all_waiters(job: Job) -> list[tuple[Peer, int]]:
    """Return the waiting peers, each with the number of its submissions that wait."""
    if job.waiter is not None:
        return [(job.waiter, 1)]
    return list(job.waiters.items()) if job.waiters is not None else []


def add_waiter(job: Job, peer: Peer) -> None:
    """Add a foreground submission of ``peer``; two submissions count twice."""
    peer.awaited.add(job)
    details = job.details
    if job.waiter is None and (details is None or details.waiters is None):
        job.waiter = peer
        return
    details = job.add_details()
    waiters = details.waiters
    if waiters is None:
        assert job.waiter is not None, "it has one waiter"
        waiters = details.waiters = {job.waiter: 1}
        job.waiter = None
    waiters[peer] = waiters.get(peer, 0) + 1


def remove_waiter(job: Job, peer: Peer) -> None:
    """Remove all submissions of ``peer``. If the job has ended, its other waiting clients are detached already."""
    if job.waiter is peer:
        job.waiter = None
    elif not job.has_ended:
        details = job.details
        assert details is not None, "the peer waits for the job"
        assert details.waiters is not None, "the peer waits for the job"
        del details.waiters[peer]
        if not details.waiters:
            details.waiters = None
    peer.awaited.discard(job)


def detach_waiters(job: Job) -> None:
    """Remove all waiting clients from a job that has ended; the caller removes it from their `Peer.awaited`."""
    job.waiter = None
    if job.details is not None:
        job.details.waiters = None
