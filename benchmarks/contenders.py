# SPDX-License-Identifier: MIT
"""Commands of the measured servers."""

import os
import shlex
import sys

from benchmarks.page import ROOT

__all__ = ["GEARMAND", "IN_MEMORY", "OURS", "builds", "command_of"]

_OPTIONS = f"--config-file={os.devnull} --port={{port}} --listen=127.0.0.1"
_INTERPRETED = f"{shlex.quote(sys.executable)} -m geartrain.cli.gearmand {_OPTIONS}"
_COMPILED = ROOT / ".venv-compiled" / "bin" / "gearmand"

IN_MEMORY = " --store=none"  # as gearmand keeps its jobs
GEARMAND = "/usr/sbin/gearmand --port={port} --listen=127.0.0.1 --log-file=none"


def builds() -> dict[str, str]:
    """Return the commands of Geartrain's builds, which keep jobs in a file; the compiled one comes first."""
    compiled = {"compiled": f"{shlex.quote(str(_COMPILED))} {_OPTIONS}"} if _COMPILED.exists() else {}
    return compiled | {"interpreted": _INTERPRETED}


OURS = next(iter(builds().values())) + IN_MEMORY


def command_of(server: str) -> str:
    """Return the command of another server; a path is enough if it has the options of gearmand."""
    return server if "{port}" in server else f"{shlex.quote(server)} -p {{port}} -L 127.0.0.1"
