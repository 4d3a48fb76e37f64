# SPDX-License-Identifier: MIT
"""Default paths: of root, of other users, for each port."""

import os
from pathlib import Path

import pytest

from geartrain.server.process.default_paths import DefaultPaths, make_folder
from geartrain.server.process.privileges import ProcessError, ids_of


def test_a_daemon_of_a_user_has_its_files_in_folders_of_the_user() -> None:
    told = DefaultPaths({"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/state"}, is_root=False)
    untold = DefaultPaths({}, is_root=False, home=Path("/home/n"))

    assert told.pid_file(4730) == Path("/run/user/7/geartrain/gearmand.pid")
    assert told.log_file() == Path("/state/geartrain/gearmand.log")
    assert untold.pid_file(4730) == Path("/home/n/.local/state/geartrain/gearmand.pid")
    assert untold.log_file() == Path("/home/n/.local/state/geartrain/gearmand.log")


def test_a_daemon_of_root_has_them_in_the_system_folders() -> None:
    root = DefaultPaths({}, is_root=True)

    assert root.pid_file(4730) == Path("/run/geartrain/gearmand.pid")
    assert root.log_file() == Path("/var/log/geartrain/gearmand.log")
    assert root.store_file(4730) == Path("/var/lib/geartrain/gearmand-4730.db")


@pytest.mark.parametrize("is_root", [True, False])
def test_the_store_of_a_service_is_in_its_state_directory(is_root: bool) -> None:
    paths = DefaultPaths({"STATE_DIRECTORY": "/var/lib/jobs:/var/lib/more", "XDG_STATE_HOME": "/state"}, is_root)

    assert paths.store_file(4730) == Path("/var/lib/jobs/gearmand-4730.db")


def test_servers_on_other_ports_share_no_files() -> None:
    paths = DefaultPaths({"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/state"}, is_root=False)

    assert paths.pid_file(4731).name == "gearmand-4731.pid"
    assert paths.store_file(4731).name == "gearmand-4731.db"
    assert paths.store_file("/run/x.sock").name == "gearmand-run-x.sock.db"


def test_the_paths_of_the_process_are_those_of_its_user() -> None:
    assert DefaultPaths.of_process() == DefaultPaths(os.environ, is_root=os.geteuid() == 0)


def test_their_folders_are_created(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "pid"

    assert make_folder(file, None) == str(file)
    assert file.parent.is_dir()


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(ProcessError, match="Could not create the folder"):
        make_folder(tmp_path / "a" / "b" / "pid", None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_belongs_to_the_user_of_the_server(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "pid", ids_of("daemon"))

    assert (tmp_path / "a").stat().st_uid == ids_of("daemon")[0]
