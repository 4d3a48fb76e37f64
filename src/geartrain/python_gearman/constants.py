# SPDX-License-Identifier: MIT
"""The states and priorities of a job."""

DEFAULT_GEARMAN_PORT = 4730

PRIORITY_NONE = None
PRIORITY_LOW = "LOW"
PRIORITY_HIGH = "HIGH"

JOB_UNKNOWN = "UNKNOWN"  # not submitted, or lost with its connection
JOB_PENDING = "PENDING"  # submitted; the server has not answered
JOB_CREATED = "CREATED"  # the server has it
JOB_FAILED = "FAILED"  # ended without a result
JOB_COMPLETE = "COMPLETE"  # ended with a result
