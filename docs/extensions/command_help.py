# SPDX-License-Identifier: MIT
"""The directive ``command-help``: the output of a command's ``--help``, from a run during the build."""

import subprocess
import sys
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


class CommandHelp(Directive):
    """Literal block with the help of the command, or subcommand, in the argument."""

    required_arguments = 1
    optional_arguments = 2
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Run the command."""
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
