# SPDX-License-Identifier: MIT
"""Sockets of endpoints: bound, left out, replaced and left alone."""

import asyncio
import grp
import os
import socket
from pathlib import Path

import pytest

from geartrain.server.config.kinds import OptionError
from geartrain.server.config.sources import read
from geartrain.server.listen.endpoints import Endpoint
from geartrain.server.listen.sockets import BindError, ListenOptions, bind, listen, release


def test_ipv6_sockets_are_for_ipv6_only() -> None:
    sockets = bind(Endpoint(), 0)

    ports = {bound.getsockname()[1] for bound in sockets}
    families = {bound.family for bound in sockets}
    for bound in sockets:
        if bound.family == socket.AF_INET6:
            assert bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        bound.close()
    assert len(ports) == 1
    assert socket.AF_INET in families


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        bind(Endpoint("192.0.2.1"), 0)


def test_addresses_that_the_machine_does_not_have_are_left_out() -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1")]

    sockets = bind(Endpoint("both"), 0, resolve=lambda *arguments, **options: found)

    assert [bound.getsockname()[0] for bound in sockets] == ["127.0.0.1"]
    sockets[0].close()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    bind(Endpoint(path=str(path)), 0)[0].close()


def test_a_socket_in_use_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as used:
        used.bind(str(path))
        used.listen()

        with pytest.raises(OSError, match="Address already in use"):
            bind(Endpoint(path=str(path)), 0)


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")

    with pytest.raises(OSError, match="Address already in use"):
        bind(Endpoint(path=str(path)), 0)
    assert path.read_text() == "precious"


def group_of_this_process(*, member: bool) -> str:
    """Return the name of a group that this process is, or is not, a member of."""
    mine = {os.getegid(), *os.getgroups()}
    for group in grp.getgrall():
        if (group.gr_gid in mine) is member and group.gr_gid != os.getegid():
            return group.gr_name
    pytest.skip("this machine has no such group")


@pytest.mark.parametrize("mode", ["600", "0660", "666"])
def test_a_socket_gets_the_mode_of_the_option(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "s"
    options = read([f"--listen=unix:{path}", f"--socket-mode={mode}"], {}, default_files=()).options

    sockets = asyncio.run(listen(options))

    assert path.stat().st_mode & 0o777 == int(mode, 8)
    release(sockets)


def test_a_socket_without_the_option_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "s"
    umask = os.umask(0o027)
    try:
        sockets = asyncio.run(listen(ListenOptions(listen=(Endpoint(path=str(path)),))))
    finally:
        os.umask(umask)

    assert path.stat().st_mode & 0o777 == 0o750
    release(sockets)


def test_a_socket_gets_the_group_of_the_option(tmp_path: Path) -> None:
    path = tmp_path / "s"
    group = group_of_this_process(member=os.geteuid() != 0)

    sockets = asyncio.run(listen(ListenOptions(listen=(Endpoint(path=str(path)),), socket_group=group)))

    assert path.stat().st_gid == grp.getgrnam(group).gr_gid
    release(sockets)


def test_a_group_that_cannot_be_set_prevents_the_start_and_leaves_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    group = grp.getgrgid(os.getegid()).gr_name
    options = ListenOptions(listen=(Endpoint(path=str(path)),), socket_group=group)

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(BindError, match=f"Could not set the group or the mode of {path}: Operation not permitted"):
        asyncio.run(listen(options))
    assert not path.exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--socket-mode=9", "three octal digits such as 660"),
        ("--socket-mode=1777", "three octal digits such as 660"),
        ("--socket-mode=rw", "three octal digits such as 660"),
        ("--socket-group=no:such", "a group of this machine"),
    ],
)
def test_an_invalid_mode_or_group_is_an_error(word: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read([word], {}, default_files=())
