# SPDX-License-Identifier: MIT
"""A client for python-gearman 2.0 that submits one job of each kind, and prints its outcome."""

from __future__ import print_function

import sys

import gearman
import gearman.errors


def check_request_status(job_request):
    if job_request.complete:
        print("finished: %s" % job_request.state, job_request.result and job_request.result.decode("utf-8"))
    elif job_request.timed_out:
        print("timed out:", job_request.state)
    elif job_request.state == gearman.JOB_UNKNOWN:
        print("connection failed")


def wait_for_background_job(client, job_request):
    while True:
        status = client.get_job_status(job_request, poll_timeout=5.0).status
        if not status["known"]:
            return status


client = gearman.GearmanClient([sys.argv[1]])

print("-- foreground")
check_request_status(client.submit_job("reverse", "Hello World!"))
check_request_status(client.submit_job(b"reverse", b"bytes", priority=gearman.PRIORITY_HIGH))
check_request_status(client.submit_job("reverse", b"soon", priority=gearman.PRIORITY_LOW))
check_request_status(client.submit_job("identify", "", unique="one of its kind"))
check_request_status(client.submit_job("explode", "x"))

print("-- progress")
request = client.submit_job("progress", "abc")
check_request_status(request)
print([update.decode() for update in request.data_updates], [update.decode() for update in request.warning_updates])
print(request.status["numerator"], request.status["denominator"], request.status["known"], request.exception)

print("-- many")
jobs = [dict(task="reverse", data="data %d" % number) for number in range(3)]
submitted = client.submit_multiple_jobs(jobs, background=False, wait_until_complete=False)
print(len(submitted), len(set(request.job.unique for request in submitted)), submitted[0].gearman_job.task)
for request in client.wait_until_jobs_completed(submitted, poll_timeout=10.0):
    check_request_status(request)

print("-- no worker can do it")
request = client.submit_job("unheard-of", "x", wait_until_complete=False)
[request] = client.wait_until_jobs_completed([request], poll_timeout=0.2)
check_request_status(request)
[request] = client.submit_multiple_requests([request], poll_timeout=0.2)
check_request_status(request)

print("-- background")
request = client.submit_job("reverse", "later", background=True)
check_request_status(request)
print(request.job.handle is not None, request.background, request.priority)
status = wait_for_background_job(client, request)
print(sorted(status), status["running"])

print("-- no server")
try:
    gearman.GearmanClient([("127.0.0.1", 1)]).submit_job("reverse", "x")
except gearman.errors.ServerUnavailable:
    print("ServerUnavailable")

check_request_status(client.submit_job("leave", ""))
client.shutdown()
