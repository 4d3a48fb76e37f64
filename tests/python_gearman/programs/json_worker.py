# SPDX-License-Identifier: MIT
"""A worker whose data is JSON; it does three jobs, fails at one of them, and leaves."""

from __future__ import print_function

import json
import sys

import gearman


class JSONDataEncoder(gearman.DataEncoder):
    @classmethod
    def encode(cls, encodable_object):
        return json.dumps(encodable_object, sort_keys=True)

    @classmethod
    def decode(cls, decodable_string):
        return json.loads(decodable_string)


class JSONWorker(gearman.GearmanWorker):
    data_encoder = JSONDataEncoder
    jobs_left = 3

    def on_job_execute(self, current_job):
        self.jobs_left -= 1
        return gearman.GearmanWorker.on_job_execute(self, current_job)

    def on_job_exception(self, current_job, exc_info):
        self.send_job_warning(current_job, {"error": exc_info[0].__name__})
        return gearman.GearmanWorker.on_job_exception(self, current_job, exc_info)

    def after_poll(self, any_activity):
        return self.jobs_left > 0


def add(gearman_worker, gearman_job):
    numbers = gearman_job.data["numbers"]
    gearman_worker.send_job_data(gearman_job, numbers)
    return {"sum": sum(numbers)}


worker = JSONWorker([sys.argv[1]])
worker.register_task(b"add", add)
worker.work()
print("left")
