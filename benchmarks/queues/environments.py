# SPDX-License-Identifier: MIT
"""A virtual environment for each system except Geartrain, so that their dependencies do not conflict."""

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.measured import BenchmarkError
from benchmarks.page import ROOT
from benchmarks.queues.contestants import SYSTEMS

__all__ = ["Environments"]

_VERSIONS = """
import importlib.metadata, sys
print(", ".join(f"{package} {importlib.metadata.version(package)}" for package in sys.argv[1:]))
"""


class Environments:
    """The environments in a folder.

    Attributes:
        failures: The reasons of failed installations, by system.
    """

    def __init__(self, folder: Path = ROOT / ".venv-queues") -> None:
        self.failures: dict[str, str] = {}
        self._folder = folder

    def python(self, name: str) -> str:
        """Return the interpreter of a system."""
        return str(self._folder / name / "bin" / "python") if SYSTEMS[name].requirements else sys.executable

    def is_there(self, name: str) -> bool:
        """Return whether a system is installed."""
        return not SYSTEMS[name].requirements or self._seal(name).exists()

    def prepare(self, name: str) -> None:
        """Install the newest version of a system, if there is none. A failure is recorded."""
        if self.is_there(name):
            return
        venv.create(self._folder / name, clear=True)
        pip = [sys.executable, "-m", "pip", f"--python={self.python(name)}", "--disable-pip-version-check"]
        words = ["install", "--quiet", *SYSTEMS[name].requirements]
        done = subprocess.run([*pip, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            self.failures[name] = done.stderr.strip()
        else:
            self._seal(name).touch()

    def require(self, name: str) -> None:
        """Raise a `BenchmarkError` if a system cannot be used."""
        if not self.is_there(name):
            raise BenchmarkError(f"it is not installed: {self.failures.get(name, 'it was not prepared')}")

    def versions(self, name: str) -> str:
        """Return the versions of a system and of its client for Redis."""
        packages = SYSTEMS[name].packages
        words = [self.python(name), "-c", _VERSIONS, *packages]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    def _seal(self, name: str) -> Path:
        """Return the file that says that an environment is complete."""
        return self._folder / name / "installed"
