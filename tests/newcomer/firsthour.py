# SPDX-License-Identifier: MIT
"""The steps of a reader of the README, block by block, on a bare machine."""

import re
from typing import Final

from tests.newcomer.blocks import Block, blocks, step_of
from tests.newcomer.machine import BareMachine, MachineError, Terminal

__all__ = ["FirstHour"]

_LONG: Final = 3600.0  # seconds for the tests of the project, on a slow machine
_INSTALLATION: Final = 600.0
_ACTIVATE: Final = ". .venv/bin/activate"


class FirstHour:
    """A reader who types everything.

    Args:
        machine: A running machine.
        project: The folder of the project in it.
        text: The README.
        tests: Arguments for ``make test``; empty for all tests, as a reader runs them.
    """

    def __init__(self, machine: BareMachine, project: str, text: str, tests: str = "") -> None:
        self._machine = machine
        self._project = project
        self._text = text
        self._tests = tests
        self._first = self._open(online=True)
        self._worker: Terminal | None = None

    def run(self) -> None:
        """Do everything, from the first to the last line.

        Raises:
            MachineError: A command failed, or had another effect than the README promises.
        """
        for block in blocks(self._text):
            if block.file:
                (self._machine.root / self._project.lstrip("/") / block.file).write_text(block.code)
            step = step_of(block)
            if step is None:
                raise MachineError(f"README.md:{block.line}: no step is known for this block:\n{block.code}")
            getattr(self, step)(block)
        self.commands_at_the_end()

    # The steps, in the order of the README.

    def install(self, block: Block) -> None:
        """Install, and look which server runs."""
        self._first.run(block.code, _INSTALLATION)
        self._expect_our_server(self._first)

    def make(self, block: Block) -> None:
        """Run the demo and the tests, install again, and look which server runs afterwards."""
        for command in block.commands:
            typed = f"{command} ARGS={self._tests!r}" if command == "make test" and self._tests else command
            printed = self._first.run(typed, _LONG)
            expected = r"!dlroW olleH" if command == "make demo" else r"\b\d+ passed"
            self._expect(expected, printed, command)
            if " failed" in printed:
                raise MachineError(f"{command}: tests failed")
        self._first.run("test -x /usr/sbin/gearmand")  # Debian's, which must not be taken for ours
        self._first.run("python -m pip install .", _INSTALLATION)
        self._expect_our_server(self._first)
        self._first.run("apt install -y php-gearman libgearman-client-perl", _INSTALLATION)

    def serve(self, block: Block) -> None:
        """Start a server, which stays in the foreground."""
        server = self._active()
        self._expect_our_server(server)
        server.start(block.code.strip())
        server.wait_for("Listening on")

    def wait(self, block: Block) -> None:
        """Do nothing with a worker until its client is there too."""

    def python(self, block: Block) -> None:
        """Run worker and client in Python."""
        self._worker = self._active()
        self._worker.start("python worker.py")
        self._expect(r"^!dlroW olleH$", self._active().run("python client.py"), "python client.py")

    def shell(self, block: Block) -> None:
        """Run the commands of the shell."""
        printed = self._active().run(block.code)
        self._expect(r"^\d+\n!dlroW olleH", printed, "gearman")
        self._expect(r"^wc\t0\t0\t1$", printed, "gearadmin --status")
        self._expect(r'^ +"wc"$', printed, "gearadmin --workers --json")

    def php(self, block: Block) -> None:
        """Run worker and client in PHP."""
        self._pair("php worker.php", "php client.php")

    def perl(self, block: Block) -> None:
        """Run worker and client in Perl."""
        self._pair("perl worker.pl", "perl client.pl")

    def another_port(self, block: Block) -> None:
        """Run a server on another port, and use it from another terminal."""
        server, *others = block.commands
        running = self._active()
        running.start(server)
        running.wait_for("Listening on")
        self._worker = self._active()
        for command in others[:-1]:
            self._worker.run(command)
        self._expect(r"^\.$", self._worker.run(others[-1]), others[-1])
        self._worker.start("python worker.py")
        client = self._active()
        client.run("\n".join(others[:-1]))
        self._expect(r"^!dlroW olleH$", client.run("python client.py"), "python client.py")
        self._expect(r"^reverse\t0\t0\t1$", client.run(others[-1]), others[-1])

    def commands_at_the_end(self) -> None:
        """Run the commands that the sections at the end name."""
        terminal = self._active()
        for command in ("gearmand --help", "gearman --help", "gearadmin --help", "python -m geartrain"):
            self._expect(r"(?i)usage|gearadmin", terminal.run(command), command)

    # Terminals and expectations.

    def _open(self, *, online: bool = False) -> Terminal:
        terminal = self._machine.terminal(online=online)
        terminal.run(f"cd {self._project}")
        return terminal

    def _active(self) -> Terminal:
        """Open a terminal with the environment, without a network, so that nothing else answers on port 4730."""
        terminal = self._open()
        terminal.run(_ACTIVATE)
        return terminal

    def _pair(self, worker: str, client: str) -> None:
        """Replace the running worker by another one, and run a client."""
        assert self._worker is not None
        self._worker.close()
        self._worker = self._active()
        self._worker.start(worker)
        self._expect(r"^!dlroW olleH$", self._active().run(client), client)

    def _expect_our_server(self, terminal: Terminal) -> None:
        self._expect(rf"^{self._project}/\.venv/bin/gearmand$", terminal.run("command -v gearmand"), "gearmand")
        self._expect(r"\bGeartrain\b", terminal.run("gearmand --version"), "gearmand --version")

    def _expect(self, pattern: str, printed: str, command: str) -> None:
        if not re.search(pattern, printed, re.MULTILINE):
            raise MachineError(f"{command} did not print {pattern!r}:\n{printed}")
