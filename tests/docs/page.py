# SPDX-License-Identifier: MIT
"""The environment in which the blocks of one page of the documentation are executed.

Pages use the port 4730, as their readers do. Here each port from 4730 to 4739 is replaced by a free one, and commands
and libraries whose default is 4730 get the replacement. For a page that does not start ``gearmand`` itself, a server is
running. Servers store their jobs in the page's folder, or not at all.
"""

import contextlib
import os
import re
import socket
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geartrain.testing import run_server
from tests.docs.terminal import TIMEOUT, Terminal
from tests.job_servers import free_port

__all__ = ["Page", "begin", "end"]

_PORT = re.compile(r"\b473\d\b")
_COMMANDS = Path(sysconfig.get_path("scripts"))

# Wrappers of commands, which pass the address of the server unless the page does. If libgearman gets a server twice, it
# sometimes waits for ever, so PHP programs must name it themselves.
_WRAPPERS = {
    "gearmand": "export GEARMAND_PORT={port} GEARMAND_LISTEN=127.0.0.1 GEARMAND_STORE=none\n"
    'exec "{commands}/gearmand" "$@"',
    "gearman": 'unset GEARMAN_SERVERS; exec env GEARMAN_SERVER=127.0.0.1:{port} "{commands}/gearman" "$@"',
    "gearadmin": 'case " $* " in *" --server "*|*" --port "*|*" -p "*) ;; *) set -- --port {port} "$@" ;; esac\n'
    'exec "{commands}/gearadmin" "$@"',
    "python": 'exec "{python}" "$@"',
    "php": 'unset GEARMAN_SERVERS; exec /usr/bin/php "$@"',
}


class Page:
    """The folder, the ports, the server and the terminals of one page.

    Attributes:
        names: The names that its Python blocks have defined.
        printed: The output of its last block.
    """

    def __init__(self, *, starts_servers: bool) -> None:
        with contextlib.ExitStack() as cleanup:
            self._cleanup = cleanup
            self._open(starts_servers=starts_servers)
            self._cleanup = cleanup.pop_all()

    def _open(self, *, starts_servers: bool) -> None:
        self.folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="geartrain-docs-")))
        self.names: dict[str, Any] = {"__name__": "__page__"}
        self.printed = ""
        self._ports: dict[str, int] = {}
        self._environment = os.environ | {
            "GEARMAN_SERVERS": f"127.0.0.1:{self._port('4730')}",
            "PATH": f"{self._wrappers()}{os.pathsep}{_COMMANDS}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
        }
        if not starts_servers:
            store = f"sqlite://{self.folder}/.jobs.db"
            self._cleanup.enter_context(run_server(port=self._port("4730"), store=store))
        self._terminal = self._open_terminal()

    def close(self) -> None:
        """Stop everything that the page started."""
        self._cleanup.close()

    def localised(self, text: str) -> str:
        """Replace the ports in a text by those of this page."""
        return _PORT.sub(lambda found: str(self._port(found[0])), text)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Run Python of this process in the folder, with the server's address in the environment."""
        with contextlib.chdir(self.folder):
            before = os.environ.get("GEARMAN_SERVERS")
            os.environ["GEARMAN_SERVERS"] = self._environment["GEARMAN_SERVERS"]
            try:
                yield
            finally:
                os.environ.pop("GEARMAN_SERVERS")
                if before is not None:
                    os.environ["GEARMAN_SERVERS"] = before

    def run(self, block: str) -> None:
        """Type a block in the terminal, and wait for its end."""
        self.printed = self._terminal.run(block)
        self._wait_for_servers(block, r"^gearmand\b(.*)&$")

    def start(self, block: str) -> None:
        """Type a block in a terminal of its own, where it keeps running."""
        self._open_terminal().start(block)
        self._wait_for_servers(block, r"^gearmand\b(.*)$")

    def _open_terminal(self) -> Terminal:
        terminal = Terminal(self.folder, self._environment)
        self._cleanup.callback(terminal.close)
        return terminal

    def _port(self, written: str) -> int:
        return self._ports.setdefault(written, free_port())

    def _wrappers(self) -> Path:
        folder = self.folder / ".commands"
        folder.mkdir()
        for name, script in _WRAPPERS.items():
            command = folder / name
            text = script.format(port=self._port("4730"), commands=_COMMANDS, python=sys.executable)
            command.write_text(f"#!/bin/sh\n{text}\n")
            command.chmod(0o755)
        return folder

    def _wait_for_servers(self, block: str, pattern: str) -> None:
        """Wait until the servers that a block has started listen."""
        for options in re.findall(pattern, block, re.MULTILINE):
            named = re.search(r"(?:--port[ =]|-p ?)(\d+)", options)
            _wait_for_port(int(named[1]) if named else self._port("4730"))


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), TIMEOUT):
            return
        time.sleep(0.01)
    raise AssertionError(f"no server listens on port {port}")


def begin(namespace: dict[str, Any]) -> None:
    """Begin a page; pytest calls it before the first block."""
    namespace["page"] = None


def end(namespace: dict[str, Any]) -> None:
    """End a page; pytest calls it after the last block."""
    page = namespace.pop("page", None)
    if page is not None:
        page.close()
