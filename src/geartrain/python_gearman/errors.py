# SPDX-License-Identifier: MIT
"""What goes wrong, under the names of python-gearman.

::

    GeartrainError
    └── GearmanError
        ├── ConnectionError              a connection could not be made, or was lost
        ├── ServerUnavailable            no server is left to talk to
        ├── ExceededConnectionAttempts   a job was sent as often as it may be, and no server took it
        ├── ProtocolError                something the protocol has no place for
        ├── UnknownCommandError          a packet that is nothing for us
        ├── InvalidClientState           asked of a client what it cannot do now
        ├── InvalidWorkerState           the same of a worker
        └── InvalidAdminClientState      the same of an administrator; also an answer that did not come in time
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
    """The root of all these."""


class ConnectionError(GearmanError):  # noqa: A001 - the published name
    """A connection could not be made, or was lost."""


class ServerUnavailable(GearmanError):
    """No server is left to talk to."""


class ProtocolError(GearmanError):
    """Something that the protocol has no place for, or that is not Gearman."""


class UnknownCommandError(GearmanError):
    """A packet that is nothing for us."""


class ExceededConnectionAttempts(GearmanError):
    """A job was sent as often as it may be, and no server took it."""


class InvalidClientState(GearmanError):
    """A client cannot do now what it was asked for."""


class InvalidWorkerState(GearmanError):
    """A worker cannot do now what it was asked for."""


class InvalidAdminClientState(GearmanError):
    """An administrator was not answered in time, or not as it should be."""
