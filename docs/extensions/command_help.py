# SPDX-License-Identifier: MIT
"""The directive ``command-help``: what one of our commands says to ``--help``, asked while the page is made."""

import subprocess
import sys
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


class CommandHelp(Directive):
    """Shows the help of the command whose name, and perhaps a word more, is the argument."""

    required_arguments = 1
    optional_arguments = 2
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Ask the command."""
        command = " ".join(self.arguments)
        done = subprocess.run(
            [sys.executable, "-m", "geartrain", *self.arguments, "--help"], capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise self.error(f"{command} --help ended with {done.returncode}: {done.stderr}")
        text = done.stdout.strip("\n")
        return [nodes.literal_block(text, text, language="text", classes=["command-help"])]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
