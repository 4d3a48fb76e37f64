# SPDX-License-Identifier: MIT
"""A shell that keeps its state from one block of a page to the next, as a reader's terminal does."""

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
from pathlib import Path

__all__ = ["TIMEOUT", "Terminal"]

TIMEOUT = 60.0  # seconds; no block of the documentation takes as long, even on a busy machine


class Terminal:
    """A shell in a folder.

    Args:
        folder: Its working directory.
        environment: Its environment variables.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._errors = (folder / f".terminal-{secrets.token_hex(4)}.errors").open("w+b")
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,  # data that an ended shell did not read is not written again
            start_new_session=True,
        )

    def start(self, block: str) -> None:
        """Type a block, and do not wait for it."""
        script = self._folder / f".block-{secrets.token_hex(4)}"
        script.write_text(f"set -e\n{block}")
        self._type(f". ./{script.name}\n")

    def run(self, block: str) -> str:
        """Type a block, wait until its last command has ended, and return the output.

        Raises:
            AssertionError: A command failed or did not end.
        """
        mark = secrets.token_hex(8)
        self.start(block)
        self._type(f"echo {mark}\n")
        return self._read_up_to(f"{mark}\n".encode()).decode()

    def close(self) -> None:
        """Stop the shell, and everything that was started in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        try:
            self._shell.wait(TIMEOUT)
            # A running program keeps the output open.
            self._wait_for_end()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait(TIMEOUT)
            self._shell.stdout.close()
            self._errors.close()

    def _type(self, line: str) -> None:
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the shell has ended; reading its output gives the reason
            self._shell.stdin.write(line.encode())

    def _read_up_to(self, mark: bytes) -> bytes:
        printed = b""
        while not printed.endswith(mark):
            piece = self._read()
            if not piece:
                raise AssertionError(f"the block failed after {printed.decode()!r}:\n{self._said()}")
            printed += piece
        return printed.removesuffix(mark)

    def _wait_for_end(self) -> None:
        while self._read():
            pass

    def _read(self) -> bytes:
        """Return the next output, or nothing at the end."""
        assert self._shell.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            if not selector.select(TIMEOUT):
                raise AssertionError(f"nothing was printed for {TIMEOUT:g} seconds; before that:\n{self._said()}")
        return os.read(self._shell.stdout.fileno(), 1 << 16)

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()
