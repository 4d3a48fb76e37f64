# SPDX-License-Identifier: MIT
"""The monitor example: machines that answer, that hang, and that are down."""

import os
import re
import socket

import pytest

from tests.examples.terminal import Terminal

THIS = socket.gethostname()


CLIENT = "python -u examples/monitor/client.py"


@pytest.fixture
def blocks(terminal: Terminal) -> list[str]:
    """The blocks of the README after the first one, which has been run."""
    start, *others = terminal.blocks("monitor")
    terminal.type(start)
    terminal.wait_for(f"load@{THIS}", f"disk@{THIS}", "load@another", "disk@another")
    return others


def rows(lines: list[str]) -> dict[str, list[str]]:
    """Return the rows of a table by their first word."""
    words = [line.split() for line in lines if line.startswith((THIS, "another"))]
    return {name: figures for name, *figures in words}


def test_the_readme(terminal: Terminal, blocks: list[str]) -> None:
    ask, lose, stop = blocks

    both = terminal.type(ask)
    one = terminal.type(lose)
    end = terminal.type(stop)

    assert set(rows(both)) == {THIS, "another"}
    for figures in rows(both).values():
        assert all(float(figure) >= 0 for figure in figures[:3])
        assert int(figures[3]) == os.cpu_count()
        assert 0 < int(figures[4]) <= 100
        assert "/" in figures
    assert rows(one)["another"] == ["gone"]
    assert rows(one)[THIS] != ["gone"]
    assert one[-1] == "exit status 1"
    assert end == ["OK"]


def test_a_server_without_agents_is_an_error(terminal: Terminal) -> None:
    start = terminal.blocks("monitor")[0].splitlines()[0]
    terminal.type(start)

    [message, status] = terminal.type(f"{CLIENT} --timeout 0 2>&1 || echo exit status $?")

    assert message.endswith("start examples/monitor/agent.py")
    assert status == "exit status 1"


def test_the_client_waits_for_the_first_agent(terminal: Terminal) -> None:
    start, first, _second = terminal.blocks("monitor")[0].splitlines()
    terminal.type(start)

    terminal.type(f"{CLIENT} --timeout 100 >table &")
    terminal.type(first)
    status = terminal.type("wait %?client; echo exit status $?; cat table")

    assert status[0] == "exit status 0"
    assert int(rows(status)[THIS][3]) == os.cpu_count()


def test_a_machine_that_hangs_does_not_delay_the_others(terminal: Terminal, blocks: list[str]) -> None:
    ask = blocks[0]

    terminal.type("kill -STOP %2")
    lines = terminal.type(ask)

    assert " ".join(rows(lines)["another"]) == "no answer within 5 s"
    assert int(rows(lines)[THIS][3]) == os.cpu_count()


def test_repeated_queries_until_an_interrupt(terminal: Terminal, blocks: list[str]) -> None:
    tables = terminal.folder / "tables"
    tables.touch()

    # A shell without a terminal starts background commands with this signal ignored.
    terminal.type(f"env --default-signal=INT {CLIENT} --every 0.1 >tables &")
    terminal.until(lambda: tables.read_text().count("MACHINE") >= 3, "three tables")
    [end] = terminal.type("kill -INT %?client; wait %?client; echo exit status $?")

    assert end == "exit status 0"
    assert len(re.findall(rf"^{THIS} +\d", tables.read_text(), re.MULTILINE)) >= 2
