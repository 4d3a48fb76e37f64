# SPDX-License-Identifier: MIT
"""The wordcount example with a real memcached, in Python and in Perl, compared with counts of the shell."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pymemcache import Client as Memcached

from examples.wordcount.client import key_of, pieces
from tests.examples.terminal import Terminal, open_terminal
from tests.job_servers import needs

GPL = Path("/usr/share/common-licenses/GPL-3")
SUMMARY = re.compile(r"([\d,]+) words, ([\d,]+) of them different; (\d+) pieces counted, (\d+) known before")


@pytest.fixture(autouse=True)
def peers() -> None:
    """Skip the tests without the Debian packages."""
    needs("/usr/bin/memcached")
    perl = ["perl", "-MGearman::Worker", "-MCache::Memcached", "-e", "1"]
    if subprocess.run(perl, check=False, capture_output=True).returncode != 0:
        assert not os.environ.get("CI"), "libcache-memcached-perl is missing; run tests/interop/install-peers as root"
        pytest.skip("libcache-memcached-perl is not installed; see tests/interop/install-peers")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with open_terminal(tmp_path, 11211) as opened:
        yield opened


@pytest.fixture
def cache(terminal: Terminal) -> Iterator[Memcached]:
    with closing(Memcached(("127.0.0.1", terminal.ports[11211]), connect_timeout=20, timeout=20)) as memcached:
        yield memcached


@pytest.fixture
def blocks(terminal: Terminal, cache: Memcached) -> list[str]:
    """The blocks of the README after the first one, which has been run."""
    start, *others = terminal.blocks("wordcount")
    terminal.type(start)
    terminal.wait_for("wordcount")
    terminal.until(lambda: answers(cache), "memcached")
    return others


def answers(cache: Memcached) -> bool:
    try:
        return bool(cache.version())
    except OSError:
        return False


def stored(cache: Memcached, *files: Path) -> list[bytes]:
    """Return the values in memcached of each piece of the files."""
    keys = [key_of(piece) for path in files for piece in pieces(path)]
    found = cache.get_many(keys)
    return [found[key] for key in keys]


def counted_by_the_shell(text: Path) -> dict[str, int]:
    command = f"tr -cs A-Za-z '\\n' < {text} | tr A-Z a-z | grep . | LC_ALL=C sort | uniq -c"
    lines = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()
    return {word: int(times) for times, word in map(str.split, lines)}


def test_the_readme(terminal: Terminal, blocks: list[str], cache: Memcached) -> None:
    count, take_over, stop = blocks
    texts = [terminal.folder / "README.md", *sorted((terminal.folder / "docs").glob("*.md"))]
    number = str(len([piece for text in texts for piece in pieces(text)]))

    python = terminal.type(count)
    from_python = stored(cache, *texts)
    cache.flush_all(noreply=False)
    perl = terminal.type(take_over)
    from_perl = stored(cache, *texts)
    end = terminal.type(stop)

    first, again, afresh = (match.groups() for match in map(SUMMARY.match, python + perl) if match)
    assert first[2:] == (number, "0")
    assert again[2:] == ("0", number)
    assert afresh == first
    assert from_perl == from_python
    assert end == ["OK"]


@pytest.mark.parametrize("language", ["python", "perl"])
def test_the_words_of_a_licence_are_counted_as_by_the_shell(
    terminal: Terminal, blocks: list[str], language: str
) -> None:
    if language == "perl":
        terminal.type(blocks[1])

    _summary, *lines = terminal.type(f"python examples/wordcount/client.py {GPL} --top 100000")

    assert {word: int(times.replace(",", "")) for times, word in map(str.split, lines)} == counted_by_the_shell(GPL)


def test_both_workers_agree_on_words(terminal: Terminal, blocks: list[str], cache: Memcached, tmp_path: Path) -> None:
    """The text has letters of all scripts in both cases, other characters, and bytes that are no UTF-8."""
    text = tmp_path / "text"
    text.write_bytes(
        "Straße STRASSE, ΟΔΥΣΣΕΎΣ Ὀδυσσεύς; İstanbul naïve NAÏVE 東京 x² ½ ⅷ a_b don't 2b \U0001d4b3\n".encode()
        + b"\xffz\xc3\n"
    )
    count = f"python examples/wordcount/client.py {text}"

    terminal.type(count)
    from_python = stored(cache, text)
    cache.flush_all(noreply=False)
    terminal.type(blocks[1])
    terminal.type(count)

    assert stored(cache, text) == from_python
    assert json.loads(from_python[0])["strasse"] == 2
