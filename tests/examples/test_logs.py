# SPDX-License-Identifier: MIT
"""The logs example with real logs, compared with counts of the shell."""

import gzip
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain import AdminClient
from tests.examples.terminal import Terminal

DPKG_LOG = Path("/var/log/dpkg.log")
ROW = re.compile(r"  (\S.*?) +([\d,]+)(?: #+)?")


@pytest.fixture
def blocks(terminal: Terminal) -> Iterator[list[str]]:
    """The blocks of the README after the first one, which has been run."""
    start, *others = terminal.blocks("logs")
    terminal.type(start)
    terminal.wait_for("cut_log", "tally_lines")
    yield others
    assert terminal.type(others[-1]) == ["OK"]


@pytest.fixture
def log(terminal: Terminal) -> Path:
    """A copy of a log: of the package manager, or else of our own server."""
    copy = terminal.folder / "some.log"
    shutil.copy(DPKG_LOG if DPKG_LOG.exists() else terminal.folder / "gearmand.log", copy)
    return copy


def table(lines: list[str]) -> dict[str, int]:
    """Return the rows of both tables."""
    return {row[1]: int(row[2].replace(",", "")) for row in map(ROW.fullmatch, lines) if row}


def counted_by_the_shell(log: Path) -> dict[str, int]:
    """Return the number of lines of each day and kind in a log of dpkg, or else of gearmand."""
    columns = (
        '{ day[$1]++; kind[$3 == "status" ? $3 " " $4 : $3]++ }' if DPKG_LOG.exists() else "{ day[$2]++; kind[$1]++ }"
    )
    end = 'END { for (each in day) print each "\t" day[each]; for (each in kind) print each "\t" kind[each] }'
    done = subprocess.run(["awk", columns + end, log], capture_output=True, text=True, check=True)
    return {name: int(lines) for name, lines in (line.split("\t") for line in done.stdout.splitlines())}


def test_the_readme(terminal: Terminal, blocks: list[str]) -> None:
    lines = terminal.type(blocks[0])

    rows = table(lines)
    own = (terminal.folder / "gearmand.log").read_text()
    assert re.match(r"[\d,]+ lines, [\d,]+ of them in an unknown format", lines[0])
    assert 3 <= rows["NOTICE"] <= own.count("NOTICE")
    assert set(re.findall(r"\d{4}-\d\d-\d\d", own)) <= set(rows)
    if DPKG_LOG.exists():
        assert rows["status installed"] > 0


def test_every_line_is_counted_once_in_any_number_of_pieces(terminal: Terminal, blocks: list[str], log: Path) -> None:
    text = log.read_bytes()
    times = 4 * 1024 * 1024 // len(text)
    log.write_bytes(text * times)

    lines = terminal.type("python examples/logs/client.py some.log")

    assert table(lines) == counted_by_the_shell(log)
    assert lines[0].startswith(f"{len(text.splitlines()) * times:,} lines, 0 of them")


def test_a_compressed_log_is_counted_and_an_unreadable_one_is_named(
    terminal: Terminal, blocks: list[str], log: Path
) -> None:
    with gzip.open(terminal.folder / "some.log.1.gz", "wb") as compressed:
        compressed.write(log.read_bytes())

    lines = terminal.type("python examples/logs/client.py some.log.1.gz nothing.log 2>&1")

    assert table(lines) == counted_by_the_shell(log)
    assert "nothing.log: cannot be read" in lines


def test_a_killed_reducer_loses_nothing(terminal: Terminal, blocks: list[str], log: Path) -> None:
    text = log.read_bytes()
    log.write_bytes(text * (32 * 1024 * 1024 // len(text)))
    result = terminal.folder / "result"
    result.touch()
    reducers = [int(process) for process in terminal.type("jobs -p %2 %3")]

    terminal.type("python examples/logs/client.py some.log >result 2>&1 &")
    with AdminClient(terminal.address) as admin:
        terminal.until(lambda: any(row.running for row in admin.status() if row.function == "tally_lines"), "pieces")
    os.kill(reducers[0], signal.SIGKILL)
    terminal.until(lambda: "Kinds" in result.read_text(), "the result")
    terminal.type("wait %4")

    assert table(result.read_text().splitlines()) == counted_by_the_shell(log)
