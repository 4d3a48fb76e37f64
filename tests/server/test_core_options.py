# SPDX-License-Identifier: MIT
"""The options of the core, made from those of the server."""

from dataclasses import fields
from zoneinfo import ZoneInfo

from geartrain.core import Durability, JobServerOptions, Who
from geartrain.server import ServerOptions
from geartrain.server.core_options import JobOptions, core_options

# The shell finds these out for the core, or converts them.
MADE = {"handle_prefix", "version", "pid", "verbosity", "timezone", "durability"}


def test_every_option_of_the_core_is_one_of_the_server() -> None:
    assert {found.name for found in fields(JobServerOptions)} - MADE <= {found.name for found in fields(JobOptions)}


def test_options_reach_the_core_under_their_names() -> None:
    options = ServerOptions(
        worker_wakeup=7,
        max_memory=1 << 30,
        function_expiry=3.0,
        text_reads=Who.LOCAL,
        timezone="Europe/Berlin",
        job_handle_prefix="H:me",
        durability=Durability.RELAXED,
    )

    core = core_options(options, verbosity="INFO", durability=Durability.NONE)

    assert (core.worker_wakeup, core.max_memory, core.function_expiry) == (7, 1 << 30, 3.0)
    assert core.text_reads is Who.LOCAL
    assert core.timezone == ZoneInfo("Europe/Berlin")
    assert (core.handle_prefix, core.verbosity) == (b"H:me", "INFO")
    assert core.durability is Durability.NONE, "the server has no store"
