# SPDX-License-Identifier: MIT
"""Clients: a core without I/O, and two shells around it, blocking and with asyncio.

The modules here decide and do no I/O; `sync` and `aio` send, receive and wait, under the same names. `aio` imports
asyncio, so it is imported only by programs that use it.
"""

from typing import TYPE_CHECKING

from geartrain.lazy import lazy_names

if TYPE_CHECKING:
    from geartrain.client.batch import NotAllSubmitted
    from geartrain.client.remote import Arguments, JobOptions
    from geartrain.client.sync import Client, RemoteFunction, SubmittedJob, as_completed

__all__ = ["Arguments", "Client", "JobOptions", "NotAllSubmitted", "RemoteFunction", "SubmittedJob", "as_completed"]

__getattr__ = lazy_names(
    __name__,
    {
        "geartrain.client.batch": ("NotAllSubmitted",),
        "geartrain.client.remote": ("Arguments", "JobOptions"),
        "geartrain.client.sync": ("Client", "RemoteFunction", "SubmittedJob", "as_completed"),
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
