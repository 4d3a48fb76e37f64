# SPDX-License-Identifier: MIT
"""What holds for every test."""

import os
import signal

from hypothesis import HealthCheck, settings

from tests.thoroughness import THOROUGH

# A shell without job control starts what it puts into the background with SIGINT ignored, and every program that a
# test starts would inherit that: those that are to be interrupted never would be.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test that is about stores names one; the others leave nothing behind where a user's jobs are kept.
os.environ.setdefault("GEARMAND_STORE", "none")

# Hypothesis tries few examples, and many in CI or with THOROUGH; HYPOTHESIS_PROFILE or --hypothesis-profile names
# another profile. Every rule has a test by example too, so that coverage does not depend on luck. No example has a
# deadline of its own, as other programs may be using the machine.
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", _UNTIMED, max_examples=50)
settings.register_profile("thorough", _UNTIMED, max_examples=250, print_blob=True)
_PROFILE = "thorough" if THOROUGH or os.environ.get("CI") else "quick"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _PROFILE))
