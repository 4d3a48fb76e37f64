# SPDX-License-Identifier: MIT
"""Doing jobs: what a worker can do and decides, without I/O, and two shells around it.

::

    session      the conversation with one server
    dispatcher   which session may ask for a job
    contact      when to connect to a server
    shift        one run of a worker: all of these together, and when to leave
    job          what a function is called with
    functions    what a worker can do
    arguments    functions that are called with something else than the job
    partition    functions whose jobs are done in parts, by others
    options      how it is to behave
    registry     a worker while it does not run

    sync/  aio/  worker, loop, link, connection, crew, job, calls, function, partition: the same twice, blocking and
                 with asyncio
"""

from geartrain.worker.options import Options, Reason, WorkerOptions
from geartrain.worker.sync import AssignedJob, Worker

__all__ = ["AssignedJob", "Options", "Reason", "Worker", "WorkerOptions"]
