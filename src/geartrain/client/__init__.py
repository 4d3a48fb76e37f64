# SPDX-License-Identifier: MIT
"""Clients: a core without I/O, and two shells around it, blocking and with asyncio.

The modules here decide and do no I/O; `sync` and `aio` send, receive and wait, under the same names. `aio` imports
asyncio, so it is imported only by programs that use it.
"""

from geartrain.client.batch import NotAllSubmitted
from geartrain.client.remote import Arguments, JobOptions
from geartrain.client.sync import Client, RemoteFunction, SubmittedJob, as_completed

__all__ = ["Arguments", "Client", "JobOptions", "NotAllSubmitted", "RemoteFunction", "SubmittedJob", "as_completed"]
