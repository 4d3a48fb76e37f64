# SPDX-License-Identifier: MIT
"""The pid file: its lock, its content, and its end."""

import os
from pathlib import Path

import pytest

from geartrain.server.process.pidfile import PidFile, PidFileError


def test_it_has_the_pid_and_is_removed_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with PidFile(str(file)):
        assert file.read_bytes() == b"%d\n" % os.getpid()
        assert file.stat().st_mode & 0o777 == 0o644 & ~_umask()

    assert not file.exists()


def test_a_stale_file_is_replaced_even_if_its_pid_is_in_use_again(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    file.write_text(f"{os.getppid()}, and more than a number\n")

    with PidFile(str(file)):
        assert file.read_bytes() == b"%d\n" % os.getpid()


def test_a_locked_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with PidFile(str(file)):
        with pytest.raises(PidFileError, match=f"{file} belongs to a running server, pid {os.getpid()}"):
            PidFile(str(file)).__enter__()

        assert file.exists()


def test_a_file_that_its_owner_removes_while_it_is_opened_is_created_again(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    opened: list[int] = []

    def open_late(path: Path, flags: int, mode: int) -> int:
        descriptor = os.open(path, flags, mode)
        if not opened:
            file.unlink()
        opened.append(descriptor)
        return descriptor

    with PidFile(str(file), opener=open_late):
        assert file.exists()
    assert len(opened) == 2


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PidFileError, match="No such file or directory"):
        PidFile(str(tmp_path / "missing" / "pid")).__enter__()


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "pid").symlink_to(tmp_path / "target")

    with pytest.raises(PidFileError):
        PidFile(str(tmp_path / "pid")).__enter__()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
