# SPDX-License-Identifier: MIT
"""Settings for all tests."""

import os
import signal
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.thoroughness import THOROUGH

# A shell without job control starts background commands with SIGINT ignored, and every program that a test starts would
# inherit that, so that tests could not interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests of stores name one; without this, all others would write to the default store of the user.
os.environ.setdefault("GEARMAND_STORE", "none")

# Hypothesis tries few examples, and many in CI or with THOROUGH; HYPOTHESIS_PROFILE or --hypothesis-profile selects
# another profile. Every rule also has a test by example, so that coverage does not depend on chance. Examples have no
# deadline, as the machine may be busy.
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors])
settings.register_profile("quick", _UNTIMED, max_examples=50)
settings.register_profile(
    "mutation",  # a failure is enough, in its first form
    _UNTIMED,
    max_examples=10,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.register_profile("thorough", _UNTIMED, max_examples=250, print_blob=True)
_PROFILE = "thorough" if THOROUGH or os.environ.get("CI") else "quick"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _PROFILE))

# Those that take longest begin first, so that no process works alone at the end.
_LONG: Final = (
    "tests/storage/",
    "tests/faults/",
    "tests/benchmarks/",
    "tests/attacks/",
    "tests/costs/",
    "tests/crash/",
    "tests/fuzz/",
    "tests/worker/",
    "tests/examples/",
    "tests/packaging/",
    "tests/cli/test_gearman.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by their time, roughly; the order within a file stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))
