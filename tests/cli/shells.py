# SPDX-License-Identifier: MIT
"""Completion of command lines by bash, zsh and fish, as a user with the completion files sees it."""

import os
import pty
import re
import select
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["SHELLS"]

COMPLETION: Final = Path(__file__).parents[2] / "packaging" / "completion"
TIMEOUT: Final = 60.0

# Tab inserts all matches, and Ctrl-X shows the line and ends the shell.
_ZSH = """
fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u
setopt no_beep; PS1=; unset zle_bracketed_paste
zle -C all complete-word _generic
zstyle ':completion:all:*' completer _all_matches _complete
zstyle ':completion:all:*' insert true
show() {{ print -r -- "<<$BUFFER>>"; exit }}
zle -N show
bindkey '^I' all
bindkey '^X' show
print set up
"""


def bash(program: str, line: str) -> list[str]:
    """Call the function that bash calls for a line; files, which it completes by itself, are left out."""
    command, typed = line.split()[0], line.split(" ")
    script = (
        f"source {shlex.quote(str(COMPLETION / 'bash' / command))}; COMP_WORDS=({shlex.join(typed)}); "
        f'COMP_CWORD={len(typed) - 1}; _{command}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run([program, "-c", script], capture_output=True, text=True, check=True, timeout=TIMEOUT)
    assert done.stderr == ""
    return done.stdout.split()


def zsh(program: str, line: str) -> list[str]:
    """Type a line into a zsh with a terminal, and press the tab key."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "HOME": "/nonexistent"}
    with subprocess.Popen(
        [program, "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment
    ) as shell:
        os.close(theirs)
        try:
            os.write(ours, _ZSH.format(folder=shlex.quote(str(COMPLETION / "zsh"))).encode())
            _read_up_to(ours, rb"\nset up")
            os.write(ours, f"{line}\t\x18".encode())
            shown = _read_up_to(ours, rb"<<(.*)>>")
        finally:
            shell.kill()
            os.close(ours)
    return shown.removeprefix(line.rpartition(" ")[0]).split()


def fish(program: str, line: str) -> list[str]:
    """Ask fish for the completions of a line."""
    script = (
        f"for file in {shlex.quote(str(COMPLETION / 'fish'))}/*; source $file; end; complete -C {shlex.quote(line)}"
    )
    done = subprocess.run(
        [program, "--no-config", "-c", script], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert done.stderr == ""
    return [shown.partition("\t")[0] for shown in done.stdout.splitlines()]


def _read_up_to(terminal: int, pattern: bytes) -> str:
    """Read from a terminal up to a pattern, and return its group, if it has one."""
    printed = b""
    while not (found := re.search(pattern, printed)):
        readable, _, _ = select.select([terminal], [], [], TIMEOUT)
        assert readable, f"{pattern!r} was not printed, but {printed!r}"
        printed += os.read(terminal, 1 << 16)
    return found[found.re.groups].decode()


SHELLS: Final[dict[str, Callable[[str, str], list[str]]]] = {"bash": bash, "zsh": zsh, "fish": fish}
