# SPDX-License-Identifier: MIT
"""The process of gearmand: its signals, its limits, its user, and the background."""

import contextlib
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from geartrain.protocol import Command, request
from geartrain.testing import ServerProcess

GEARMAND = (sys.executable, "-m", "geartrain.cli.gearmand", f"--config-file={os.devnull}")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another user")


def gearmand(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, or until it is in the background."""
    return subprocess.run([*GEARMAND, *words], capture_output=True, text=True, timeout=60, check=False)


def daemon_words(folder: Path) -> list[str]:
    return ["-d", f"--listen=unix:{folder / 's'}", f"--pid-file={folder / 'pid'}", f"--log-file={folder / 'log'}"]


def end_daemon(folder: Path) -> None:
    """Stop a process that is not our child, and wait until its lock on the pid file is gone."""
    with contextlib.suppress(FileNotFoundError), (folder / "pid").open() as file:
        os.kill(int(file.read()), signal.SIGTERM)
        fcntl.flock(file, fcntl.LOCK_SH)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_it(number: signal.Signals, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with ServerProcess(f"--pid-file={pid_file}") as server:
        assert pid_file.read_text() == f"{server.process.pid}\n"

        assert server.stop(number) == 0
        server.wait_for_line(f"Shutdown requested by {number.name}")
    assert not pid_file.exists()


def test_usr1_waits_for_running_jobs(tmp_path: Path) -> None:
    path = str(tmp_path / "gearmand.sock")
    with ServerProcess(f"--listen=unix:{path}") as server, socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(20)
        wire.connect(path)
        wire.sendall(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))
        handle = wire.recv(100)[12:]
        wire.sendall(request(Command.CAN_DO, b"f") + request(Command.GRAB_JOB))
        assert handle in wire.recv(100)
        wire.sendall(request(Command.SUBMIT_JOB_BG, b"f", b"", b"stays in the queue"))
        wire.recv(100)
        server.process.send_signal(signal.SIGUSR1)
        wait_until_closed(path)
        server.wait_for_line("Draining, waiting for 1 running job (f 1)")
        assert server.process.poll() is None
        wire.sendall(request(Command.WORK_COMPLETE, handle, b""))

        assert server.wait() == 0


def wait_until_closed(path: str) -> None:
    """Return when no process listens on a socket any more."""
    while True:
        with socket.socket(socket.AF_UNIX) as late:
            try:
                late.connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                return


def test_term_ends_a_start_that_waits_for_a_port(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        command = [*GEARMAND, "-L", "127.0.0.1", "-p", str(port), "--bind-timeout=60"]
        with subprocess.Popen([*command, "-P", str(pid_file)], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert "is in use; trying again for 60 seconds" in process.stderr.readline()
            process.terminate()

            assert process.wait(20) == 0
            assert "Stopped by SIGTERM before the start was complete" in process.stderr.read()
    assert not pid_file.exists()


def test_hup_reopens_the_log(tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "old"
    gearmand(*daemon_words(tmp_path))
    log.rename(old)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGHUP)
    end_daemon(tmp_path)

    assert "SIGHUP, reopening log file" in old.read_text()
    assert "Shutdown complete" in log.read_text()


def test_hup_does_not_make_a_file_called_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ServerProcess("--log-file=stderr") as server:
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_line("SIGHUP, reopening log file")

        assert list(tmp_path.iterdir()) == []


def test_descriptors_can_be_limited_and_connections_survive_their_exhaustion() -> None:
    with ServerProcess("--file-descriptors=30") as server:
        wires = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(40)]
        server.wait_for_line("Could not accept connections on")
        wires[0].sendall(b"version\n")
        assert wires[0].recv(100).startswith(b"OK")
        for wire in wires[:30]:
            wire.close()
        wires[-1].sendall(b"version\n")
        assert wires[-1].recv(100).startswith(b"OK")
        for wire in wires:
            wire.close()


def test_too_few_descriptors_are_raised_with_a_warning() -> None:
    with ServerProcess("-f", "10") as server:
        assert server.wait_for_line("10 file descriptors are too few; 24 are allowed").startswith("WARNING")
        with socket.create_connection(("127.0.0.1", server.port), 20) as wire:
            wire.sendall(b"version\n")
            assert wire.recv(100).startswith(b"OK")


def test_more_descriptors_than_allowed_is_an_error() -> None:
    done = gearmand("--file-descriptors=999999999999")

    assert done.returncode == 1
    assert "Could not allow 999999999999 file descriptors; the limit is" in done.stderr


def test_one_pid_file_is_for_one_server(tmp_path: Path) -> None:
    with ServerProcess(f"--pid-file={tmp_path / 'pid'}") as server:
        done = gearmand("-p0", "-L127.0.0.1", f"--pid-file={tmp_path / 'pid'}")

        assert done.returncode == 1
        assert f"belongs to a running server, pid {server.process.pid}" in done.stderr


# Daemon.


def test_a_daemon_serves_when_its_parent_exits(tmp_path: Path) -> None:
    done = gearmand(*daemon_words(tmp_path))
    pid = int((tmp_path / "pid").read_text())
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert "Listening on unix:" in (tmp_path / "log").read_text()
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(tmp_path / "s"))
            wire.sendall(b"getpid\n")
            assert wire.recv(100) == b"OK %d\n" % pid
        assert os.getsid(pid) == pid
        assert {Path(f"/proc/{pid}/fd/{number}").readlink() for number in range(3)} == {Path(os.devnull)}
    finally:
        end_daemon(tmp_path)
    assert not (tmp_path / "pid").exists()
    assert not (tmp_path / "s").exists()


def test_the_parent_reports_the_error_that_stopped_the_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(str(tmp_path / "s"))
        holder.listen()
        done = gearmand(*daemon_words(tmp_path), "--bind-timeout=0")

    assert done.returncode == 1
    assert f"gearmand: Could not listen on unix:{tmp_path / 's'}: Address already in use; another server" in done.stderr
    assert "  FATAL " in (tmp_path / "log").read_text()
    assert not (tmp_path / "pid").exists()


def test_an_interrupt_while_the_parent_waits_reaches_the_daemon(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(socket.socket(socket.AF_UNIX))
        holder.bind(str(tmp_path / "s"))
        holder.listen()
        parent = stack.enter_context(subprocess.Popen([*GEARMAND, *daemon_words(tmp_path), "--bind-timeout=60"]))
        log = stack.enter_context((tmp_path / "log").open())
        assert "is in use; trying again for 60 seconds" in log.readline()
        parent.send_signal(signal.SIGINT)

        assert parent.wait(20) == 0
        assert "Stopped by SIGTERM before the start was complete" in log.read()


def test_a_daemon_without_a_log_does_not_start(tmp_path: Path) -> None:
    done = gearmand("-d", f"--listen=unix:{tmp_path / 's'}", "--log-file=/missing/log")

    assert done.returncode == 1
    assert done.stderr.endswith(": Could not open the log file /missing/log: No such file or directory\n")


# User.


@only_root
def test_the_user_is_changed_after_the_steps_that_need_root(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "certificate"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    certificate.chmod(0o600)
    with ServerProcess(
        "--user=daemon", "--ssl", f"--ssl-certificate={certificate}", f"--listen=unix:{tmp_path / 's'}", "-L127.0.0.1:0"
    ) as server:
        owner = Path(f"/proc/{server.process.pid}").stat()
        groups = Path(f"/proc/{server.process.pid}/status").read_text()

        daemon = pwd.getpwnam("daemon")
        assert (owner.st_uid, owner.st_gid) == (daemon.pw_uid, daemon.pw_gid)
        assert f"Groups:\t{daemon.pw_gid} \n" in groups
        assert server.stop() == 0
