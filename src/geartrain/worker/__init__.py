# SPDX-License-Identifier: MIT
"""Workers: a core without I/O, and two shells around it, blocking and with asyncio.

::

    session      the protocol of one connection
    dispatcher   the slots, shared among the sessions
    serverstate  one server: connected, or in back-off
    run          one run of a worker: all of these, and the end
    options      the options
    functions    the table of functions
    job          the job that a function is called with
    current      the job that the current thread or task is doing
    arguments    jobs of typed functions
    middleware   functions around every job
    partition    functions whose jobs are split into parts
    console      the log on stderr, for programs without logging
    registry     everything about a worker that does not wait
    forkserver   processes in which jobs run

    sync/  aio/  worker, loop, connector, connection, job, calls, function, partition: twins, blocking and with asyncio
"""

from geartrain.worker.options import Options, Reason, WorkerOptions
from geartrain.worker.sync import AssignedJob, Worker

__all__ = ["AssignedJob", "Options", "Reason", "Worker", "WorkerOptions"]
