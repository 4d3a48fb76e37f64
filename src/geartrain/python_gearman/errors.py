# SPDX-License-Identifier: MIT
"""The exceptions of python-gearman.

::

    GeartrainError
    └── GearmanError
        ├── ConnectionError              a connection could not be made, or was lost
        ├── ServerUnavailable            no server can be reached
        ├── ExceededConnectionAttempts   no server accepted a job in the allowed number of attempts
        ├── ProtocolError                a request that the protocol cannot express, or bytes that are not Gearman
        ├── UnknownCommandError          an unexpected packet
        ├── InvalidClientState           an operation that is not possible in the client's state
        ├── InvalidWorkerState           the same for a worker
        └── InvalidAdminClientState      the same for an admin client; also an answer that did not come in time
"""

from geartrain.errors import GeartrainError

__all__ = [
    "ConnectionError",
    "ExceededConnectionAttempts",
    "GearmanError",
    "InvalidAdminClientState",
    "InvalidClientState",
    "InvalidWorkerState",
    "ProtocolError",
    "ServerUnavailable",
    "UnknownCommandError",
]


class GearmanError(GeartrainError):
    """The root of the exceptions in this module."""


class ConnectionError(GearmanError):  # noqa: A001 - the published name
    """A connection could not be made, or was lost."""


class ServerUnavailable(GearmanError):
    """No server can be reached."""


class ProtocolError(GearmanError):
    """A request that the protocol cannot express, or bytes that are not Gearman."""


class UnknownCommandError(GearmanError):
    """An unexpected packet."""


class ExceededConnectionAttempts(GearmanError):
    """No server accepted a job in the allowed number of attempts."""


class InvalidClientState(GearmanError):
    """An operation is not possible in the client's state."""


class InvalidWorkerState(GearmanError):
    """An operation is not possible in the worker's state."""


class InvalidAdminClientState(GearmanError):
    """An admin client got no answer in time, or an invalid one."""
