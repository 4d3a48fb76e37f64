# SPDX-License-Identifier: MIT
"""Libraries from PyPI and npm that are in use. The tests are skipped if these could not be installed."""

import pytest

from geartrain import Client, Data, JobException, JobFailed, Progress, Warn
from tests.interop.conftest import AnyServer
from tests.interop.programs import TIMEOUT, Program, node, python, run

pytestmark = pytest.mark.interop


def at(server: AnyServer) -> list[str]:
    return ["127.0.0.1", str(server.port)]


def test_gears_client_with_gears_worker(server: AnyServer) -> None:
    with Program(python("gear_peer.py", "gear"), "worker", *at(server)):
        result = run(python("gear_peer.py", "gear"), "client", *at(server))

    assert result.stdout.decode().splitlines() == [
        r"reverse False None b'kr\x00w' False None/None",
        r"talk False None b'da\x00tacarefulkr\x00w' True b'1'/b'4'",
        "fail True None b'' False None/None",
        r"raise True b'out of w\x00rk' b'' False None/None",
        "status",
    ]
    assert (result.returncode, result.stderr) == (0, b"")


def test_our_client_with_gears_worker(server: AnyServer) -> None:
    with Program(python("gear_peer.py", "gear"), "worker", *at(server)) as worker, Client(server.address) as client:
        talk = client.submit("talk", "abc")
        assert list(talk) == [Progress(1, 4), Data(b"da\0ta"), Warn(b"careful")]
        assert talk.result(TIMEOUT) == b"cba"
        with pytest.raises(JobException, match="out of work"):
            client.do("raise", "work")
        with pytest.raises(JobFailed):
            client.do("fail")
        large = bytes(range(256)) * (1 << 12)  # gear copies all of its input for each piece that arrives
        assert client.do("reverse", large, timeout=TIMEOUT) == large[::-1]
        assert client.do("leave", "x") == b"x"
        assert worker.wait() == 0


def test_gearmanodes_client_with_gearmanodes_worker(server: AnyServer) -> None:
    with Program(node("node_peer.js", "gearmanode"), "worker", *at(server)):
        result = run(node("node_peer.js", "gearmanode"), "client", *at(server))

    assert sorted(result.stdout.decode().splitlines()) == [
        "fail failed",
        "reverse complete krow",
        "talk complete done",
        "talk data data",
        "talk status 1 4",
        "talk warning careful",
    ]
    assert result.returncode == 0


def test_our_client_with_gearmanodes_worker(server: AnyServer) -> None:
    with Program(node("node_peer.js", "gearmanode"), "worker", *at(server)), Client(server.address) as client:
        assert list(client.map("reverse", ["ab", "cd"])) == [b"ba", b"dc"]
        talk = client.submit("talk", "x")
        assert list(talk) == [Data(b"data"), Progress(1, 4), Warn(b"careful")]
        assert talk.result(TIMEOUT) == b"done"
        with pytest.raises(JobFailed):
            client.do("fail", "x")
