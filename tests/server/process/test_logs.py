# SPDX-License-Identifier: MIT
"""The log: format, levels and destinations."""

import json
import logging
import os
import re
import syslog
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geartrain.server.levels import Level
from geartrain.server.process.logs import JsonFormatter, LogFormat, LogSetup, TextFormatter

server_log = logging.getLogger("geartrain.server")
jobs_log = logging.getLogger("geartrain.jobs")


def record(message: str, *arguments: object, level: int = Level.NOTICE, area: str = "jobs") -> logging.LogRecord:
    return logging.LogRecord(f"geartrain.{area}", level, __file__, 1, message, arguments, None)


@pytest.fixture
def start() -> Iterator[Callable[[LogSetup], LogSetup]]:
    setups: list[LogSetup] = []

    def _start(setup: LogSetup) -> LogSetup:
        setup.start()
        setups.append(setup)
        return setup

    yield _start
    for setup in setups:
        setup.stop()


def test_a_line_begins_as_those_of_gearmand() -> None:
    line = TextFormatter().format(record("accepted,%s", "f"))

    assert re.fullmatch(r" NOTICE \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \[  jobs \] accepted,f", line)


@pytest.mark.parametrize(
    ("level", "beginning"),
    [
        (Level.FATAL, "  FATAL "),
        (Level.CRITICAL, "CRITICAL "),
        (Level.INFO, "   INFO "),
        (35, "WARNING "),
        (5, "  DEBUG "),
    ],
)
def test_the_level_is_right_aligned(level: int, beginning: str) -> None:
    assert TextFormatter().format(record("", level=level)).startswith(beginning)


def test_a_name_cannot_start_a_new_line() -> None:
    line = TextFormatter().format(record("accepted,%s", "a\n  FATAL \x1b[2J\u2028b\\é"))

    assert line.endswith(r"accepted,a\x0a  FATAL \x1b[2J\xe2\x80\xa8b\é")


def test_a_traceback_follows_its_line() -> None:
    try:
        int("x")
    except ValueError as error:
        failed = record("failed")
        failed.exc_info = (ValueError, error, error.__traceback__)

    assert TextFormatter().format(failed).endswith("with base 10: 'x'")
    assert json.loads(JsonFormatter().format(failed))["traceback"].endswith("with base 10: 'x'")


def test_a_line_of_json_is_an_object() -> None:
    facts = json.loads(JsonFormatter().format(record("accepted,%s", "a\nb")))

    assert facts.pop("time")
    assert facts == {"level": "NOTICE", "area": "jobs", "message": "accepted,a\nb"}


def test_a_name_in_json_does_not_change_the_terminal() -> None:
    line = JsonFormatter().format(record("accepted,%s", "a\u202eb\x9b\x7f"))

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == "accepted,a\u202eb\x9b\x7f"


def test_without_a_level_errors_and_the_server_area_are_logged(
    start: Callable[[LogSetup], LogSetup], tmp_path: Path
) -> None:
    file = tmp_path / "log"
    start(LogSetup(str(file)))

    server_log.log(Level.NOTICE, "Listening")
    server_log.info("Accepted")
    jobs_log.log(Level.NOTICE, "accepted")
    jobs_log.warning("late")
    jobs_log.error("GEARMAN_X")

    assert [line.split("] ")[1] for line in file.read_text().splitlines()] == ["Listening", "GEARMAN_X"]


@pytest.mark.parametrize(("level", "count"), [(Level.ERROR, 1), (Level.NOTICE, 3), (Level.DEBUG, 4)])
def test_a_level_is_for_all_areas(
    start: Callable[[LogSetup], LogSetup], tmp_path: Path, level: Level, count: int
) -> None:
    file = tmp_path / "log"
    start(LogSetup(str(file), level=level))

    server_log.log(Level.NOTICE, "Listening")
    jobs_log.log(Level.NOTICE, "accepted")
    jobs_log.debug("detail")
    jobs_log.error("GEARMAN_X")

    assert len(file.read_text().splitlines()) == count


def test_a_file_that_was_moved_away_is_created_again(start: Callable[[LogSetup], LogSetup], tmp_path: Path) -> None:
    file = tmp_path / "log"
    setup = start(LogSetup(str(file), format=LogFormat.JSON))

    server_log.error("one")
    file.rename(tmp_path / "old")
    server_log.error("two")
    setup.reopen()
    server_log.error("three")

    assert len((tmp_path / "old").read_text().splitlines()) == 2
    assert json.loads(file.read_text())["message"] == "three"


def test_the_old_file_stays_open_if_a_new_one_cannot_be_created(
    start: Callable[[LogSetup], LogSetup], tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    setup = start(LogSetup(str(folder / "log")))
    folder.rename(tmp_path / "old")

    with pytest.raises(FileNotFoundError):
        setup.reopen()
    server_log.error("still there")

    assert "still there" in (tmp_path / "old/log").read_text()


@pytest.mark.parametrize("destination", ["stderr", "none"])
def test_stderr_and_none_are_no_files(
    start: Callable[[LogSetup], LogSetup],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    destination: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    setup = start(LogSetup(destination))
    setup.reopen()
    server_log.error("x")

    assert list(tmp_path.iterdir()) == []
    assert ("x" in capsys.readouterr().err) == (destination == "stderr")


def test_syslog_gets_the_level_and_the_area(
    start: Callable[[LogSetup], LogSetup], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[object, ...]] = []
    # The system's functions are replaced, and none of ours: their messages cannot be read back.
    monkeypatch.setattr(syslog, "openlog", lambda *arguments: written.append(arguments))
    monkeypatch.setattr(syslog, "syslog", lambda *arguments: written.append(arguments))
    start(LogSetup("none", to_syslog=True))

    jobs_log.error("a\nb")

    assert written == [("gearmand", syslog.LOG_PID, syslog.LOG_USER), (syslog.LOG_ERR, r"[jobs] a\x0ab")]


def test_closing_the_log_removes_its_handlers(tmp_path: Path) -> None:
    setup = LogSetup(str(tmp_path / "log"))
    setup.start()
    setup.stop()

    assert logging.getLogger("geartrain").handlers == []
    assert server_log.level == logging.NOTSET


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for another user")
def test_root_gives_the_file_to_the_user_of_the_server_but_follows_no_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.touch()
    (tmp_path / "link").symlink_to(precious)

    setup = LogSetup(str(tmp_path / "log"), owner=(65534, 65534))
    setup.start()
    setup.stop()

    assert (tmp_path / "log").stat().st_uid == 65534
    with pytest.raises(OSError, match="symbolic link"):
        LogSetup(str(tmp_path / "link"), owner=(65534, 65534)).start()
    assert precious.stat().st_uid == 0
