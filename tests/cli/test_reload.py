# SPDX-License-Identifier: MIT
"""SIGHUP in a real process: options that change, options that stay, and secrets that are never written."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import trustme

from geartrain.protocol import Command, request
from geartrain.testing import ServerProcess

KNOWN = "tlhIngan-Hol-vIjatlh"
OTHER = "nuqneH-nuqneH-nuqneH"

RULES = f"""
[[access]]
token = "{KNOWN}"
functions = "f*"
may = ["submit", "work", "admin"]
"""


@contextmanager
def connected(server: ServerProcess) -> Iterator["Line"]:
    with socket.create_connection(("127.0.0.1", server.port), 20) as wire, wire.makefile("rb") as replies:
        yield Line(wire, replies)


class Line:
    """An administrator's connection."""

    def __init__(self, wire: socket.socket, replies: BinaryIO) -> None:
        self._wire = wire
        self._replies = replies

    def say(self, line: str) -> str:
        self._wire.sendall(line.encode() + b"\n")
        return self._replies.readline().decode().rstrip()

    def submit(self, function: bytes) -> None:
        self._wire.sendall(request(Command.SUBMIT_JOB_BG, function, b"", b""))


class Config:
    """A file of options that can be replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("")

    def write(self, text: str) -> None:
        self.path.write_text(f'listen = ["127.0.0.1"]\nport = 0\n{text}')
        self.path.chmod(0o600)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path / "gearmand.toml")


def start(config: Config, *words: str) -> ServerProcess:
    return ServerProcess(f"--config-file={config.path}", "--port=0", "--listen=127.0.0.1", *words)


def hup(server: ServerProcess, line: str) -> str:
    server.process.send_signal(signal.SIGHUP)
    return server.wait_for_line(line)


def test_new_rules_apply_to_existing_connections(config: Config) -> None:
    with start(config) as server, connected(server) as known, connected(server) as unknown:
        assert known.say(f"token {KNOWN}") == "OK"
        assert unknown.say("create function f") == "OK"

        config.write("max-functions = 1\n" + RULES)
        hup(server, "Reloaded; changed options: max-functions, access")

        assert unknown.say("create function f") == "ERR NOT_ALLOWED create+function+is+for+administrators"
        assert known.say("create function f") == "OK"
        assert known.say("create function f2").startswith("ERR QUEUE_ERROR ")

        config.write("max-text-line = 1000" + RULES.replace(KNOWN, OTHER) + "\n[[access]]\nmay = 'submit'")
        hup(server, "Reloaded; changed options: max-text-line, max-functions, access")
        assert unknown.say(f"token {OTHER}") == "OK"
        assert unknown.say("create function f2") == "OK"
        assert known.say("create function f3") == "ERR NOT_ALLOWED create+function+is+for+administrators"


WRONG = {
    "max-functions = [": "Invalid value",
    "max-functions = 'many'": "option 'max-functions' is a whole number, not 'many'",
    "[[access]]\nmay = 'eat'": "rule 1 of 'access': 'may' is one or more of submit, work, admin, not 'eat'",
    "[[access]]\nmay = 'work'\ntoken-file = '/missing'": "could not read /missing: No such file or directory",
    "[[access]]\nmay = 'work'\ncertificate = 'x'": "access rules by certificate need --ssl-verify",
}


def test_after_an_error_the_old_options_stay(config: Config) -> None:
    config.write(RULES)
    with start(config) as server, connected(server) as line:
        for text, reason in WRONG.items():
            config.write("verbose = 'DEBUG'\n" + text)

            assert "Could not reload; all options stay unchanged: " in hup(server, reason)
            assert line.say("create function f") == "ERR NOT_ALLOWED create+function+is+for+administrators"

        assert line.say(f"token {KNOWN}") == "OK"
        assert line.say("create function f") == "OK"
        assert server.stop() == 0
        assert not any("INFO" in line or "DEBUG" in line for line in server.lines)


def test_options_that_need_a_restart_are_named(config: Config) -> None:
    with start(config) as server, connected(server) as line:
        config.write("job-retries = 3\nallow-shutdown = true\nverbose = 'INFO'")

        hup(server, "Reloaded; changed options: verbose")

        assert server.wait_for_line("Restart the server to change ").endswith("change job-retries, allow-shutdown")
        assert line.say("verbose") == "OK INFO"
        assert line.say("shutdown").startswith("ERR UNKNOWN_COMMAND")
        line.submit(b"f")
        server.wait_for_line("accepted,f,")
        with connected(server):
            server.wait_for_line("Accepted connection from")


def test_certificates_are_reloaded(config: Config, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    certificate = tmp_path / "certificate"

    def shown() -> bytes | None:
        with (
            socket.create_connection(("127.0.0.1", server.port), 20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wire,
        ):
            return wire.getpeercert(binary_form=True)

    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    config.write(f'ssl = true\nssl-certificate = "{certificate}"')
    with start(config) as server:
        old = shown()
        assert shown() == old
        certificate.write_text("no certificate")
        hup(server, "Could not load the TLS certificate and key from")
        assert shown() == old

        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
        hup(server, "Reloaded; changed options: none")

        assert shown() != old


def test_no_secret_is_written(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(OTHER)
    config.write(RULES + f'[[access]]\ntoken-file = "{file}"\nmay = "work"\n')
    with start(config, "--verbose=DEBUG") as server, connected(server) as line:
        said = [line.say(f"token {token}") for token in (KNOWN, OTHER, KNOWN + "x", OTHER + "y")]
        said += [line.say(word) for word in ("version", "getpid", "token", "token a b")]
        config.write(RULES.replace(KNOWN, "too short"))
        hup(server, "Could not reload")
        config.write(RULES.replace("f*", "g*"))
        hup(server, "Reloaded; changed options: access")
        server.stop()
        written = "\n".join([*server.lines, *said])
    checked = check_args(config)
    assert checked.returncode == 0

    for secret in (KNOWN, OTHER, "too short"):
        assert secret not in written + checked.stdout + checked.stderr
    assert "WRONG_TOKEN" in written


def check_args(config: Config) -> subprocess.CompletedProcess[str]:
    """Check the file with ``--check-args``."""
    return subprocess.run(
        [sys.executable, "-m", "geartrain.cli.gearmand", f"--config-file={config.path}", "--check-args"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("GEARMAND_")},
    )


def test_check_args_prints_warnings_too(config: Config) -> None:
    config.write(RULES)
    config.path.chmod(0o644)

    checked = check_args(config)

    assert checked.returncode == 0
    assert f"{config.path} holds tokens, and every user of this machine may read or change it" in checked.stderr
