# SPDX-License-Identifier: MIT
"""The options that a running server reloads."""

from dataclasses import replace

from geartrain.server.config.access import access_rules
from geartrain.server.config.reloadable import changed, needs_restart, reloaded
from geartrain.server.levels import Level
from geartrain.server.options import GearmandOptions

OLD = GearmandOptions(port=4730, max_memory=1000, log_file="old")


def test_limits_rules_certificates_and_the_level_of_the_log_change() -> None:
    new = replace(
        OLD,
        max_memory=2000,
        max_packet_size=1000,
        max_unsent=1000,
        max_text_line=1000,
        function_expiry=1.0,
        ssl_certificate="new",
        handshake_timeout=1.0,
        access=access_rules([{"may": "work"}]),
        verbose=Level.INFO,
    )

    assert reloaded(OLD, new) == new
    assert sorted(changed(OLD, new)) == [
        "access",
        "function-expiry",
        "handshake-timeout",
        "max-memory",
        "max-packet-size",
        "max-text-line",
        "max-unsent",
        "ssl-certificate",
        "verbose",
    ]
    assert needs_restart(OLD, new) == []


def test_other_options_stay_and_are_named() -> None:
    new = replace(OLD, port=4731, ssl=True, store="none", log_file="new", max_memory=0)

    assert reloaded(OLD, new) == replace(OLD, max_memory=0)
    assert sorted(needs_restart(OLD, new)) == ["log-file", "port", "ssl", "store"]
    assert changed(OLD, new) == ["max-memory"]


def test_unchanged_options_are_not_named() -> None:
    rules = [{"may": ["work"], "token": "tlhIngan-Hol-vIjatlh"}]
    old, new = (replace(OLD, access=access_rules(rules)) for _ in range(2))

    assert changed(old, new) == needs_restart(old, new) == []
