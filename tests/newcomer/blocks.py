# SPDX-License-Identifier: MIT
"""The blocks of code in the README, in their order, and what a reader does with each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["README", "STEPS", "Block", "blocks", "step_of"]

README: Final = Path(__file__).parents[2] / "README.md"

_FENCED: Final = r"^```(?!text$)(?P<language>\w+)\n(?P<fenced>[\s\S]*?)^```$"  # text is the output of a block
_INDENTED: Final = r"(?<=\n\n)(?P<indented>(?:    .*\n|\n(?=    ))+)"
_BLOCK: Final = re.compile(f"{_FENCED}|{_INDENTED}", re.MULTILINE)
_FILE: Final = re.compile(r"\A(?:<\?php\n)?(?:#|//) (\S+\.\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        line: Its line in the README.
        code: Its text.
        file: The name of the file that it is to be saved in, if it is a program.
    """

    line: int
    code: str
    file: str | None

    @property
    def commands(self) -> list[str]:
        """Its lines without comments."""
        lines = (re.sub(r"(^|\s+)#.*", "", line) for line in self.code.splitlines())
        return [line for line in lines if line]


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a page, fenced or indented."""
    for found in _BLOCK.finditer(text):
        indented = found["indented"]
        code = found["fenced"] if indented is None else re.sub(r"^    ", "", indented, flags=re.MULTILINE)
        name = _FILE.match(code)
        yield Block(text.count("\n", 0, found.start()) + 1, code, name[1] if name else None)


# The beginning of a block, and the name of the method of `FirstHour` for it. Files are saved before.
STEPS: Final = {
    "python3 -m venv": "install",
    "make demo": "make",
    "gearmand\n": "serve",
    "# worker.py": "wait",
    "# client.py": "python",
    "gearman -w": "shell",
    "<?php\n// worker.php": "wait",
    "<?php\n// client.php": "php",
    "# worker.pl": "wait",
    "# client.pl": "perl",
    "gearmand --port": "another_port",
}


def step_of(block: Block) -> str | None:
    """Return the name of the method for a block, or None for an unknown block."""
    return next((step for start, step in STEPS.items() if block.code.startswith(start)), None)
