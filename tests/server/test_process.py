# SPDX-License-Identifier: MIT
"""The process around the server: who may become whom, and where the files of a daemon are."""

import os
from pathlib import Path

import pytest

from geartrain.server.places import default_log_file, default_pid_file, make_room
from geartrain.server.process import ProcessError, check_may_become, ids_of


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be somebody without rights."""
    monkeypatch.setattr(os, "geteuid", lambda: ids_of("nobody")[0])


@pytest.mark.usefixtures("nobody")
def test_who_is_not_root_can_only_stay_who_he_is() -> None:
    check_may_become("nobody")

    with pytest.raises(ProcessError, match="Must be root to switch to the user root"):
        check_may_become("root")


@pytest.mark.usefixtures("nobody")
def test_a_daemon_of_a_user_keeps_its_files_where_the_user_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/n"))
    places = {"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/state"}

    assert default_pid_file(places, 4730) == Path("/run/user/7/geartrain/gearmand.pid")
    assert default_log_file(places) == Path("/state/geartrain/gearmand.log")
    assert default_pid_file({}, 4730) == Path("/home/n/.local/state/geartrain/gearmand.pid")
    assert default_log_file({}) == Path("/home/n/.local/state/geartrain/gearmand.log")


def test_a_daemon_of_root_keeps_them_where_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert default_pid_file({}, 4730) == Path("/run/geartrain/gearmand.pid")
    assert default_log_file({}) == Path("/var/log/geartrain/gearmand.log")


def test_daemons_on_other_ports_do_not_share_a_pid_file() -> None:
    assert default_pid_file({"XDG_RUNTIME_DIR": "/run/user/7"}, 4731).name == "gearmand-4731.pid"


def test_their_folders_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "pid"

    assert make_room(file, None) == str(file)
    assert file.parent.is_dir()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(ProcessError, match="Could not make the folder"):
        make_room(tmp_path / "a" / "b" / "pid", None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_belongs_to_the_user_of_the_server(tmp_path: Path) -> None:
    make_room(tmp_path / "a" / "pid", ids_of("nobody"))

    assert (tmp_path / "a").stat().st_uid == ids_of("nobody")[0]
