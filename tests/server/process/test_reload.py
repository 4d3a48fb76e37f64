# SPDX-License-Identifier: MIT
"""Reloading options, without a signal and a process."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from geartrain.protocol import Command, request
from geartrain.server import Server
from geartrain.server.config.sources import Invocation, read
from geartrain.server.process.logs import LogSetup
from geartrain.server.process.reload import Reloader

RULES = "[[access]]\nmay = 'work'\n"


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """Restore the levels of the loggers of this process, which a reload sets."""
    yield
    LogSetup("none").stop()


class Process:
    """A server and its options, which are in one of two files."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / "first.toml", folder / "second.toml"]
        self.invocation = self.read()
        self.server = Server(self.invocation.options)
        log_setup = LogSetup("none")
        self.reloader = Reloader(self.server, log_setup, self.invocation, self.read)

    def read(self) -> Invocation:
        words = ["--port=0", "--listen=127.0.0.1", "--store=none"]
        return read(words, {}, default_files=[str(file) for file in self.files])

    async def is_open(self) -> bool:
        """Tell whether a peer on another machine may submit."""
        async with self.server.connect(("10.0.0.7", 50000)) as peer:
            await peer.send(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))
            answer = await peer.receive()
        assert (b"NOT_ALLOWED" in answer) != answer.startswith(b"\0RES\0\0\0\x08"), answer
        return b"NOT_ALLOWED" not in answer


Scenario: TypeAlias = Callable[[Process], Coroutine[None, None, None]]


@pytest.fixture
def run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Callable[[Scenario], None]:
    """Return a function that runs a scenario with a server that was started with rules."""
    caplog.set_level(logging.INFO, "geartrain.server")

    async def main(scenario: Scenario) -> None:
        (tmp_path / "first.toml").write_text(RULES)
        process = Process(tmp_path)
        async with process.server:
            process.reloader.begin()
            await scenario(process)

    return lambda scenario: asyncio.run(main(scenario))


def test_the_rules_stay_when_their_file_is_gone(
    run: Callable[[Scenario], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(process: Process) -> None:
        process.files[0].unlink()
        process.reloader.reload()
        assert not await process.is_open()
        process.files[1].write_text("")
        process.reloader.reload()
        assert not await process.is_open()

    run(scenario)

    assert caplog.text.count("all options stay unchanged: Could not open configuration file. ") == 2
    assert "first.toml: it is gone" in caplog.text


def test_a_reload_depends_on_the_file_that_was_read_last(
    run: Callable[[Scenario], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(process: Process) -> None:
        process.files[1].write_text(RULES)
        process.files.reverse()
        process.reloader.reload()
        process.files[1].unlink()
        process.reloader.reload()
        assert not await process.is_open()

    run(scenario)

    assert caplog.text.count("Reloaded; changed options: none") == 2


def test_a_reload_that_only_changes_options_of_the_start_says_so(
    run: Callable[[Scenario], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(process: Process) -> None:
        process.files[0].write_text(f"job-retries = 3\n{RULES}")
        process.reloader.reload()

    run(scenario)

    assert caplog.messages[-3:-1] == [
        "Reloaded; changed options: none before a restart",
        "Restart the server to change job-retries",
    ]


def test_a_reload_without_rules_is_a_warning(run: Callable[[Scenario], None], caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(process: Process) -> None:
        process.files[0].write_text("")
        process.reloader.reload()
        assert await process.is_open()

    run(scenario)

    assert "There are no access rules any more: every peer may do everything" in caplog.text


def test_a_reload_during_the_start_is_done_after_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.server")

    async def main() -> None:
        process = Process(tmp_path)
        process.reloader.reload()
        process.files[0].write_text(RULES)
        async with process.server:
            assert await process.is_open()
            process.reloader.begin()
            assert not await process.is_open()

    asyncio.run(main())

    assert caplog.text.count("Reloaded; changed options: access") == 1
