# SPDX-License-Identifier: MIT
"""Probes of workers of every kind (``--probe-after``)."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from geartrain import Client
from geartrain.testing import FaultProxy, ServerProcess
from tests.interop.programs import THEIR_TOOL, TIMEOUT, Program, node, perl, php, python
from tests.interop.workers import our_worker

pytestmark = pytest.mark.interop

ANSWERS = 5 * 24  # bytes of GRAB_JOB and PRE_SLEEP, five times
OTHER = 300  # the maximum bytes of its greeting, or of a job

WORKERS: dict[str, Callable[[FaultProxy], AbstractContextManager[object]]] = {
    "ours": lambda way: our_worker(way.address),
    "libgearman": lambda way: Program(THEIR_TOOL, "-p", str(way.port), "-w", "-f", "reverse", "--", "rev"),
    "PHP": lambda way: Program(php("reverse_worker.php"), way.address),
    "Perl": lambda way: Program(perl("worker.pl"), way.address),
    "gear": lambda way: Program(python("gear_peer.py", "gear"), "worker", way.host, str(way.port)),
    "gearmanode": lambda way: Program(node("node_peer.js", "gearmanode"), "worker", way.host, str(way.port)),
}


@pytest.mark.parametrize("kind", WORKERS)
def test_a_worker_answers_probes_and_still_runs_jobs(kind: str) -> None:
    with (
        ServerProcess("--probe-after=0.005", "--rearm-after=20") as server,
        FaultProxy(server.address) as way,
        WORKERS[kind](way),
        Client(server.address) as client,
    ):
        for number in range(1, 3):
            assert client.do("reverse", "abc", timeout=TIMEOUT).strip() == b"cba"
            way.wait_for_bytes(number * (OTHER + ANSWERS))

        assert way.accepted == 1, "the worker has not lost its connection"
        assert not any("do not answer" in line for line in server.lines)
