# SPDX-License-Identifier: MIT
"""systemd: notifications, the watchdog, inherited sockets, and our units."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from geartrain import AdminClient
from geartrain.server.process.privileges import ProcessError
from geartrain.server.process.systemd import Notifier, inherited_sockets
from geartrain.testing import ServerProcess
from tests.job_servers import free_port, needs

TIMEOUT = 60.0
UNITS = Path(__file__).parents[3] / "packaging" / "systemd"
GEARMAND = (sys.executable, "-m", "geartrain.cli.gearmand", f"--config-file={os.devnull}", "--store=none")


class Listener:
    """The notifications that systemd gets."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(TIMEOUT)

    def hear(self) -> dict[str, str]:
        """Return the next message, except those of the watchdog."""
        while (said := self.hear_any()) == {"WATCHDOG": "1"}:
            pass
        return said

    def hear_any(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def forget(self) -> None:
        """Skip the messages that have arrived already."""
        while not self.hears_nothing(seconds=0):
            pass

    def hears_nothing(self, *, seconds: float) -> bool:
        """Tell whether no message arrives within a time."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(4096)
        except (TimeoutError, BlockingIOError):
            return True
        finally:
            self._socket.settimeout(TIMEOUT)
        return False

    def close(self) -> None:
        self._socket.close()


async def passes() -> None:
    """The check of a server that answers."""


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def systemd(place: str) -> Iterator[Listener]:
    with closing(Listener(place)) as listener:
        yield listener


def test_it_notifies_systemd_of_start_reload_and_stop(systemd: Listener, place: str) -> None:
    with ServerProcess("--drain-timeout=3", environment={"NOTIFY_SOCKET": place}) as server:
        ready = {"READY": "1", "STATUS": f"Listening on {server.address}"}
        assert systemd.hear() == ready

        before = time.monotonic_ns() // 1000
        server.process.send_signal(signal.SIGHUP)
        reloading = systemd.hear()
        assert reloading.pop("RELOADING") == "1"
        assert before <= int(reloading.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000
        assert systemd.hear() == ready

        server.process.send_signal(signal.SIGTERM)
        assert systemd.hear() == {
            "STOPPING": "1",
            "STATUS": "Waiting for jobs that run",
            "EXTEND_TIMEOUT_USEC": "38000000",
        }
        assert server.wait() == 0


def test_the_watchdog_is_fed_while_the_event_loop_runs_and_not_otherwise(systemd: Listener, place: str) -> None:
    with ServerProcess(environment={"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "20000"}) as server:
        systemd.hear()
        for _ in range(3):
            assert systemd.hear_any() == {"WATCHDOG": "1"}
        server.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
        systemd.forget()
        assert systemd.hears_nothing(seconds=0.2)
        server.process.send_signal(signal.SIGCONT)
        assert systemd.hear_any() == {"WATCHDOG": "1"}


def test_an_abstract_socket_is_supported() -> None:
    name = f"geartrain-test-{os.getpid()}"
    environment = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    with closing(Listener(f"\0{name}")) as systemd:
        notifier = Notifier(environment)
        notifier.reloading()
        asyncio.run(notifier.watch(passes))  # the watchdog of another process
        notifier.ready("again")

        assert "RELOADING" in systemd.hear_any()
        assert systemd.hear_any()["STATUS"] == "again"
    assert environment == {}


class TestTheWatchdog:
    def test_is_fed_when_the_server_has_passed_a_check(self, systemd: Listener, place: str) -> None:
        checks = 0

        async def check() -> None:
            nonlocal checks
            checks += 1
            if checks == 3:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(Notifier({"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "2000"}).watch(check))

        assert [systemd.hear_any() for _ in range(2)] == [{"WATCHDOG": "1"}] * 2
        assert systemd.hears_nothing(seconds=0)

    def test_is_not_fed_while_the_server_does_not_answer(
        self, systemd: Listener, place: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        answers: list[Exception | None] = [ConnectionError("no answer"), None]

        async def check() -> None:
            if not answers:
                raise asyncio.CancelledError
            answer = answers.pop(0)
            if answer is not None:
                raise answer

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(Notifier({"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "2000"}).watch(check))

        assert systemd.hear_any() == {"WATCHDOG": "1"}
        assert systemd.hears_nothing(seconds=0), "one check of two was passed"
        assert "The server failed its own check: no answer" in caplog.text


def test_an_outage_of_systemd_is_logged_once(place: str, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": place})

    notifier.ready("")
    notifier.ready("")

    assert [record.getMessage() for record in caplog.records] == [
        "Could not notify systemd of READY=1: [Errno 2] No such file or directory"
    ]


def test_without_systemd_nothing_is_sent_and_nothing_logged(caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).ready("")

    assert not caplog.records


class TestInheritedSockets:
    def test_for_another_process_are_ignored(self) -> None:
        environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}

        assert inherited_sockets(environment) == []
        assert environment == {}

    @pytest.mark.parametrize("kind", ["a file", "no listener"])
    def test_must_be_listening_streams(self, kind: str) -> None:
        """They are passed as descriptor 3 of a new process."""
        program = (
            "import os, socket, sys\n"
            "os.dup2(os.open(os.devnull, os.O_RDONLY) if sys.argv[1] == 'a file' else socket.socket().detach(), 3)\n"
            "from geartrain.server.process.systemd import inherited_sockets\n"
            "inherited_sockets({'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'})\n"
        )
        done = subprocess.run([sys.executable, "-c", program, kind], capture_output=True, text=True, check=False)

        assert done.stderr.splitlines()[-1].startswith(f"{ProcessError.__module__}.ProcessError: ")
        assert "inherited descriptor 3" in done.stderr

    def test_from_systemd_are_served_and_not_removed(self, tmp_path: Path) -> None:
        """Its own tool starts the server at the first connection, on a port and on a path."""
        activate = needs("/usr/bin/systemd-socket-activate")
        port, path = free_port(), tmp_path / "gearmand.sock"
        command = [activate, f"--listen=127.0.0.1:{port}", f"--listen={path}", *GEARMAND, "--port=1", "--listen=::1"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, ExitStack() as stack:
            stack.callback(process.kill)  # or a failure would wait for its end
            assert process.stderr is not None
            while "Listening on" not in process.stderr.readline():
                pass
            wait_until_bound(path)
            with AdminClient(f"127.0.0.1:{port}") as admin, AdminClient(f"unix:{path}") as other:
                assert admin.pid() == other.pid() == process.pid
            process.terminate()
            log = process.stderr.read()
            assert process.wait(TIMEOUT) == 0
        assert f"Listening on 127.0.0.1:{port} (descriptor 3)" in log
        assert f"Listening on unix:{path} (descriptor 4)" in log
        assert path.exists(), "systemd created it, and removes it"


def wait_until_bound(path: Path) -> None:
    """Return when a process listens on a path."""
    deadline = time.monotonic() + TIMEOUT
    while not path.exists():
        assert time.monotonic() < deadline


class TestUnits:
    def test_are_right(self, tmp_path: Path) -> None:
        analyze = needs("/usr/bin/systemd-analyze")
        for unit in ("geartrain.service", "geartrain.socket"):
            text = (UNITS / unit).read_text().replace("/opt/geartrain/bin/gearmand", sys.executable)
            (tmp_path / unit).write_text(text)
        units = [str(tmp_path / unit) for unit in ("geartrain.service", "geartrain.socket")]

        done = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)

        complaints = [line for line in done.stderr.splitlines() if "geartrain" in line]
        assert (complaints, done.returncode) == ([], 0), done.stderr

    def test_leave_the_service_few_rights(self) -> None:
        """Twenty of a hundred points of exposure; a service without any settings has 96."""
        analyze = needs("/usr/bin/systemd-analyze")
        command = [analyze, "security", "--offline=true", "--threshold=20", str(UNITS / "geartrain.service")]

        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"SYSTEMD_PAGER": ""})

        assert done.returncode == 0, done.stdout + done.stderr
