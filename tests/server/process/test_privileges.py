# SPDX-License-Identifier: MIT
"""The user of the process: which one it may switch to."""

import pytest

from geartrain.server.process.privileges import ProcessError, check_may_switch_to, ids_of


def test_a_user_without_rights_can_only_stay_the_same() -> None:
    daemon, _ = ids_of("daemon")

    check_may_switch_to("daemon", daemon)
    with pytest.raises(ProcessError, match="Must be root to switch to the user root"):
        check_may_switch_to("root", daemon)


def test_root_may_switch_to_any_user() -> None:
    check_may_switch_to("daemon", 0)
