# SPDX-License-Identifier: MIT
"""The client of python-gearman: jobs are submitted as requests, which are updated during waits.

Nothing happens between calls: data from servers is read only while a call waits.
"""

import random
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from geartrain.python_gearman import errors
from geartrain.python_gearman.client_conversations import ClientConversations
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.python_gearman.connection_manager import Host
from geartrain.python_gearman.constants import JOB_PENDING, JOB_UNKNOWN, PRIORITY_NONE
from geartrain.python_gearman.job import GearmanJobRequest, Text
from geartrain.python_gearman.util import Stopwatch
from geartrain.wording import counted

__all__ = ["GearmanClient"]

RANDOM_UNIQUE_BYTES = 16


class GearmanClient(ClientConversations):
    """Submits jobs, and waits for their results on request. It cannot be shared by threads.

    Args:
        host_list: See `GearmanConnectionManager`. Each job goes to any of the servers that can be reached.
        random_unique_bytes: The length of the random uniques for jobs that have none.
    """

    def __init__(self, host_list: Iterable[Host] | None = None, random_unique_bytes: int = RANDOM_UNIQUE_BYTES) -> None:
        super().__init__(host_list=host_list)
        self.random_unique_bytes = random_unique_bytes

    # Submitting

    def submit_job(
        self,
        task: Text,
        data: Any,
        unique: Text | None = None,
        priority: str | None = PRIORITY_NONE,
        background: bool = False,
        wait_until_complete: bool = True,
        max_retries: int = 0,
        poll_timeout: float | None = None,
    ) -> GearmanJobRequest:
        """Submit one job; see `submit_multiple_jobs`."""
        job = {"task": task, "data": data, "unique": unique, "priority": priority}
        [request] = self.submit_multiple_jobs([job], background, wait_until_complete, max_retries, poll_timeout)
        return request

    def submit_multiple_jobs(
        self,
        jobs_to_submit: Collection[Mapping[str, Any]],
        background: bool = False,
        wait_until_complete: bool = True,
        max_retries: int = 0,
        poll_timeout: float | None = None,
    ) -> list[GearmanJobRequest]:
        """Submit jobs and wait until they are accepted, and perhaps until they have ended.

        Args:
            jobs_to_submit: Dictionaries with ``task`` and ``data``, and perhaps ``unique`` and ``priority``.
            background: True for background jobs, which return no result.
            wait_until_complete: True to wait until the jobs have ended.
            max_retries: The number of times to send a job again that no server accepted.
            poll_timeout: Seconds to wait, not counting the time to connect; requests that are not done by then have
                ``timed_out``.

        Raises:
            ServerUnavailable: No server can be reached, or the last connection was lost while jobs ran.
            ExceededConnectionAttempts: No server accepted a job in the allowed number of attempts.
            ProtocolError: A name is too long or contains a NUL byte, or a priority is unknown.
        """
        _check_several(jobs_to_submit)
        requests = [self._request(job, background, max_retries) for job in jobs_to_submit]
        self.submit_multiple_requests(requests, wait_until_complete, poll_timeout)
        return requests

    def submit_multiple_requests(
        self,
        job_requests: Collection[GearmanJobRequest],
        wait_until_complete: bool = True,
        poll_timeout: float | None = None,
    ) -> Collection[GearmanJobRequest]:
        """Submit requests as `submit_multiple_jobs` does, including those whose submission or connection failed."""
        stopwatch = Stopwatch(poll_timeout)
        self.wait_until_jobs_accepted(job_requests, stopwatch.get_time_remaining())
        if wait_until_complete and stopwatch.has_time_remaining():
            self.wait_until_jobs_completed(job_requests, stopwatch.get_time_remaining())
        return job_requests

    def wait_until_jobs_accepted(
        self, job_requests: Collection[GearmanJobRequest], poll_timeout: float | None = None
    ) -> Collection[GearmanJobRequest]:
        """Submit the requests that no server has, repeatedly if necessary, and wait until servers have all of them."""
        _check_several(job_requests)
        self._poll(0)  # detects connections that were lost since the last call
        self._is_to_place = True

        def is_pending(request: GearmanJobRequest) -> bool:
            return request.state == JOB_PENDING

        self._wait(job_requests, is_pending, poll_timeout, before=self._place)
        for request in job_requests:
            request.timed_out = is_pending(request)
        return job_requests

    def wait_until_jobs_completed(
        self, job_requests: Collection[GearmanJobRequest], poll_timeout: float | None = None
    ) -> Collection[GearmanJobRequest]:
        """Wait until the jobs have ended. Those whose connection is lost are not sent again: they may have run."""
        _check_several(job_requests)

        def is_open(request: GearmanJobRequest) -> bool:
            return not request.complete and request.state != JOB_UNKNOWN

        self._wait(job_requests, is_open, poll_timeout)
        for request in job_requests:
            request.timed_out = not request.complete
        self._check_any_left(job_requests)
        return job_requests

    def establish_request_connection(self, current_request: GearmanJobRequest) -> GearmanConnection:
        """Return a connection for a request, to any server; servers in back-off come last.

        Raises:
            ServerUnavailable: No server can be reached.
        """
        ranked = random.sample(self.connection_list, len(self.connection_list))
        ranked.sort(key=lambda connection: max(connection.rest, 0.0))
        reasons = []
        for connection in ranked:
            try:
                return self.establish_connection(connection)
            except errors.ConnectionError as error:
                reasons.append(str(error))
        raise errors.ServerUnavailable(f"no server can be reached: {'; '.join(reasons) or 'the host_list is empty'}")

    def send_job_request(self, current_request: GearmanJobRequest) -> GearmanJobRequest:
        """Send a request to a server, as one of its attempts.

        Raises:
            ExceededConnectionAttempts: No attempts are left.
            ServerUnavailable: No server can be reached.
        """
        if current_request.connection_attempts >= current_request.max_connection_attempts:
            attempts = counted(current_request.connection_attempts, "attempt")
            raise errors.ExceededConnectionAttempts(
                f"not accepted in {attempts}: {current_request!r}{self._last_error}"
            )
        self._submit(current_request, self.establish_request_connection(current_request))
        current_request.connection_attempts += 1
        return current_request

    def _request(self, job: Mapping[str, Any], background: bool, max_retries: int) -> GearmanJobRequest:
        unique = job.get("unique") or secrets.token_hex(self.random_unique_bytes)
        current_job = self.job_class(None, None, job["task"], unique, job["data"])
        return self.job_request_class(
            current_job,
            initial_priority=job.get("priority", PRIORITY_NONE),
            background=background,
            max_attempts=max_retries + 1,
        )

    # Status

    def get_job_status(
        self, current_request: GearmanJobRequest, poll_timeout: float | None = None
    ) -> GearmanJobRequest:
        """Ask for the status of one job; see `get_job_statuses`."""
        self.get_job_statuses([current_request], poll_timeout)
        return current_request

    def get_job_statuses(
        self, job_requests: Collection[GearmanJobRequest], poll_timeout: float | None = None
    ) -> Collection[GearmanJobRequest]:
        """Ask the servers for the status of jobs, which may be jobs of other clients.

        A job needs a handle and a connection.

        Raises:
            ServerUnavailable: No server can be reached.
            ConnectionError: The server of a job cannot be reached.
            InvalidClientState: A job has neither handle nor connection.
        """
        _check_several(job_requests)
        self._poll(0)
        for request in job_requests:
            self._ask_status(request)
        return self.wait_until_job_statuses_received(job_requests, poll_timeout)

    def wait_until_job_statuses_received(
        self, job_requests: Collection[GearmanJobRequest], poll_timeout: float | None = None
    ) -> Collection[GearmanJobRequest]:
        """Wait for the answers to `get_job_statuses`."""
        _check_several(job_requests)

        def is_awaited(request: GearmanJobRequest) -> bool:
            return "last_time_received" in request.status

        def is_open(request: GearmanJobRequest) -> bool:
            return is_awaited(request) and request.job.connection in self._sessions

        self._wait(job_requests, is_open, poll_timeout)
        for request in job_requests:
            request.timed_out = is_awaited(request)
        self._check_any_left(job_requests)
        return job_requests

    # Waiting

    def _wait(
        self,
        requests: Iterable[GearmanJobRequest],
        is_open: Callable[[GearmanJobRequest], bool],
        poll_timeout: float | None,
        before: Callable[[Iterable[GearmanJobRequest]], None] = lambda waiting: None,
    ) -> None:
        """Process data from servers until no request is open or the time is over.

        Args:
            requests: The requests to wait for.
            is_open: Returns True for a request to wait for; usually called for the first remaining one only.
            poll_timeout: Seconds.
            before: Called with the remaining requests before each wait.
        """
        stopwatch = Stopwatch(poll_timeout)
        waiting = deque(requests)
        while True:
            before(waiting)
            while waiting and not is_open(waiting[0]):
                waiting.popleft()
            if not waiting:
                return
            left = stopwatch.get_time_remaining()
            self._poll(self._check_interval if left is None else min(left, self._check_interval))
            if left == 0.0:
                return

    def _place(self, waiting: Iterable[GearmanJobRequest]) -> None:
        """Send the requests that no server has, if any may have been lost or rejected."""
        if self._is_to_place:
            self._is_to_place = False
            for request in waiting:
                if request.state == JOB_UNKNOWN:
                    self.send_job_request(request)

    def _check_any_left(self, requests: Iterable[GearmanJobRequest]) -> None:
        if not self._living() and any(request.timed_out for request in requests):
            raise errors.ServerUnavailable(f"the last connection was lost: {self.connection_list!r}")


def _check_several(given: object) -> None:
    if not isinstance(given, list | tuple | set):
        raise TypeError(f"jobs are given as a list, tuple or set, not as {type(given).__name__}")
