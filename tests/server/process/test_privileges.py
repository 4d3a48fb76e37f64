# SPDX-License-Identifier: MIT
"""The user to which the process may switch."""

import pytest

from geartrain.server.process.privileges import ProcessError, check_may_switch_to, ids_of


def test_an_unprivileged_user_cannot_switch_to_another() -> None:
    daemon, _ = ids_of("daemon")

    check_may_switch_to("daemon", daemon)
    with pytest.raises(ProcessError, match="Must be root to switch to the user root"):
        check_may_switch_to("root", daemon)


def test_root_may_switch_to_any_user() -> None:
    check_may_switch_to("daemon", 0)
