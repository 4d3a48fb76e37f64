# SPDX-License-Identifier: MIT
"""Programs in the style of python-gearman print the same with our package, with gearman3, and with both mixed."""

import sys
from pathlib import Path

import pytest

from tests.interop.programs import Program, python, run

PROGRAMS = Path(__file__).with_name("programs")
PACKAGE = Path(__file__).parents[2] / "packaging" / "gearman"

CHATTY_CLIENT = """\
-- foreground
finished: COMPLETE !dlroW olleH
finished: COMPLETE setyb
finished: COMPLETE noos
finished: COMPLETE one of its kind
finished: FAILED None
-- progress
finished: COMPLETE 3
['a', 'b', 'c'] ['that was all']
3 3 True None
-- many
3 3 reverse
finished: COMPLETE 0 atad
finished: COMPLETE 1 atad
finished: COMPLETE 2 atad
-- no worker can do it
timed out: CREATED
timed out: CREATED
-- background
finished: CREATED None
True True None
['denominator', 'handle', 'known', 'numerator', 'running', 'time_received'] False
-- no server
ServerUnavailable
finished: COMPLETE bye
"""
CHATTY_WORKER = """\
started reverse 12
completed reverse 12
started reverse 5
completed reverse 5
started reverse 4
completed reverse 4
started identify 0
completed identify 15
started explode 1
failed explode ValueError no such thing
started progress 3
completed progress 1
started reverse 6
completed reverse 6
started reverse 6
completed reverse 6
started reverse 6
completed reverse 6
started reverse 5
completed reverse 5
started leave 0
completed leave 3
work returned None
"""
JSON_CLIENT = """\
COMPLETE {"sum": 6} [[1, 2, 3]] 0
COMPLETE {"sum": 0} [[]] 0
FAILED null [[3, 'two']] 1
"""
OVER = ["ours", "gearman3"]


def command(over: str, program: str) -> list[str]:
    """Return the command for a program over either library, or skip the test."""
    if over == "ours":
        return ["env", f"PYTHONPATH={PACKAGE}", sys.executable, "-W", "error", str(PROGRAMS / program)]
    return [*python(str(PROGRAMS / "with_gearman3.py"), "gearman"), str(PROGRAMS / program)]


@pytest.mark.interop
@pytest.mark.parametrize("client", OVER)
@pytest.mark.parametrize("worker", OVER)
def test_a_chatty_worker_and_its_client(worker: str, client: str, server: str) -> None:
    with Program(command(worker, "chatty_worker.py"), server) as work:
        asked = run(command(client, "chatty_client.py"), server)
        assert work.wait() == 0

    assert asked.stdout.decode() == CHATTY_CLIENT
    if client == "ours":  # gearman3 does not see that a background job is still known, and has the worker leave early
        assert work.lines == CHATTY_WORKER.splitlines()


@pytest.mark.interop
@pytest.mark.parametrize("client", OVER)
@pytest.mark.parametrize("worker", OVER)
def test_a_worker_and_a_client_that_speak_json(worker: str, client: str, server: str) -> None:
    with Program(command(worker, "json_worker.py"), server) as work:
        asked = run(command(client, "json_client.py"), server)
        assert work.wait() == 0

    assert asked.stdout.decode() == JSON_CLIENT
    assert work.lines == ["left"]
