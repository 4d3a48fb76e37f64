# SPDX-License-Identifier: MIT
"""What holds for every test."""

import os
import signal

# A shell without job control starts what it puts into the background with SIGINT ignored, and every program that a
# test starts would inherit that: those that are to be interrupted never would be.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test that is about stores names one; the others leave nothing behind where a user's jobs are kept.
os.environ.setdefault("GEARMAND_STORE", "none")
