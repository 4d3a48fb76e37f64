# SPDX-License-Identifier: MIT
"""The exceptions as objects: copies and pickles keep all of them."""

import copy
import pickle
from collections.abc import Callable

import pytest

from geartrain import errors

ERRORS = [
    errors.RemoteProtocolError("bad", "CODE"),
    errors.ConnectionLost("gone"),
    errors.ReplyTimeout("late"),
    errors.ServerError("QUEUE_ERROR", "full"),
    errors.JobFailed("failed", "H:1"),
    errors.JobException(b"ValueError: no", "H:1"),
    errors.JobTimeout("late", "H:1"),
]


@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_copy_is_equal(
    error: errors.GeartrainError, duplicate: Callable[[errors.GeartrainError], errors.GeartrainError]
) -> None:
    twin = duplicate(error)

    assert twin is not error
    assert (type(twin), str(twin), twin.args, vars(twin)) == (type(error), str(error), error.args, vars(error))
