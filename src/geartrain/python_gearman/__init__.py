# SPDX-License-Identifier: MIT
"""The interface of python-gearman 2.0 and gearman3, for programs that were written for them.

::

    import geartrain.python_gearman as gearman

A program replaces ``import gearman`` by this line. A program that must not be changed finds this package under the old
name after `install`, or with the package in ``packaging/gearman``.

Names, arguments and shapes are the published ones. The code below uses Geartrain's own sessions: waits have timeouts,
lost servers are found again, and no loop spins. The page "Migrate from python-gearman and gearman3" lists the
differences.
"""

import sys

from geartrain.python_gearman import (
    admin_client,
    client,
    connection,
    connection_manager,
    constants,
    errors,
    job,
    protocol,
    util,
    worker,
)
from geartrain.python_gearman.admin_client import GearmanAdminClient
from geartrain.python_gearman.client import GearmanClient
from geartrain.python_gearman.connection_manager import DataEncoder
from geartrain.python_gearman.constants import (
    JOB_COMPLETE,
    JOB_CREATED,
    JOB_FAILED,
    JOB_PENDING,
    JOB_UNKNOWN,
    PRIORITY_HIGH,
    PRIORITY_LOW,
    PRIORITY_NONE,
)
from geartrain.python_gearman.job import GearmanJob, GearmanJobRequest
from geartrain.python_gearman.worker import GearmanWorker

__all__ = [
    "JOB_COMPLETE",
    "JOB_CREATED",
    "JOB_FAILED",
    "JOB_PENDING",
    "JOB_UNKNOWN",
    "PRIORITY_HIGH",
    "PRIORITY_LOW",
    "PRIORITY_NONE",
    "DataEncoder",
    "GearmanAdminClient",
    "GearmanClient",
    "GearmanJob",
    "GearmanJobRequest",
    "GearmanWorker",
    "install",
]

__version__ = "2.0.2"  # of the interface

_PUBLISHED = (admin_client, client, connection, connection_manager, constants, errors, job, protocol, util, worker)


def install() -> None:
    """Make ``import gearman`` and ``import gearman.errors`` find this package for the rest of the process.

    Raises:
        ImportError: The program has already imported another ``gearman``.
    """
    other = sys.modules.get("gearman")
    if other is not None and other is not sys.modules[__name__]:
        raise ImportError(f"{other!r} is imported already; call install() before anything imports gearman")
    sys.modules["gearman"] = sys.modules[__name__]
    for module in _PUBLISHED:
        sys.modules["gearman" + module.__name__.removeprefix(__name__)] = module
