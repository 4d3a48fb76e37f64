# SPDX-License-Identifier: MIT
"""A worker as people wrote them for python-gearman 2.0; it tells what its hooks see, and leaves when told to."""

from __future__ import print_function

import sys

import gearman
from gearman.constants import PRIORITY_NONE


class ChattyWorker(gearman.GearmanWorker):
    def __init__(self, host_list=None):
        super(ChattyWorker, self).__init__(host_list=host_list)
        self.is_told_to_leave = False

    def on_job_execute(self, current_job):
        print("started", current_job.task.decode(), len(current_job.data))
        return super(ChattyWorker, self).on_job_execute(current_job)

    def on_job_exception(self, current_job, exc_info):
        print("failed", current_job.task.decode(), exc_info[0].__name__, exc_info[1])
        return super(ChattyWorker, self).on_job_exception(current_job, exc_info)

    def on_job_complete(self, current_job, job_result):
        print("completed", current_job.task.decode(), len(job_result))
        return super(ChattyWorker, self).send_job_complete(current_job, job_result)

    def after_poll(self, any_activity):
        sys.stdout.flush()
        return not self.is_told_to_leave


def reverse(gearman_worker, gearman_job):
    return gearman_job.data.decode("utf-8")[::-1].encode("utf-8")


def progress(gearman_worker, gearman_job):
    total = len(gearman_job.data)
    for index in range(total):
        gearman_worker.send_job_data(gearman_job, gearman_job.data[index : index + 1])
        gearman_worker.send_job_status(gearman_job, index + 1, total)
    gearman_worker.send_job_warning(gearman_job, "that was all")
    return b"%d" % total


def explode(gearman_worker, gearman_job):
    raise ValueError("no such thing")


def identify(gearman_worker, gearman_job):
    return gearman_job.unique


def leave(gearman_worker, gearman_job):
    gearman_worker.is_told_to_leave = True
    return b"bye"


worker = ChattyWorker([sys.argv[1]])
assert worker.set_client_id("chatty") == "chatty"
assert worker.register_task(b"forgotten", reverse) == b"forgotten"
for name, function in [
    (b"reverse", reverse),
    (b"progress", progress),
    (b"explode", explode),
    (b"identify", identify),
    (b"leave", leave),
]:
    worker.register_task(name, function)
assert worker.unregister_task(b"forgotten") == b"forgotten"
assert PRIORITY_NONE is None
print("work returned", worker.work(poll_timeout=5.0))
