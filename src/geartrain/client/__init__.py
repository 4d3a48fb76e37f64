# SPDX-License-Identifier: MIT
"""Having jobs done: a session without I/O, and the shells around it.

The modules here decide and do no I/O; `sync` and `aio` move the bytes and wait, each in its way and under the same
names. `aio` loads asyncio, so it is loaded by those who name it.
"""

from geartrain.client.batch import NotAllSubmitted
from geartrain.client.remote import Arguments, JobOptions
from geartrain.client.sync import Client, RemoteFunction, SubmittedJob, as_completed

__all__ = ["Arguments", "Client", "JobOptions", "NotAllSubmitted", "RemoteFunction", "SubmittedJob", "as_completed"]
