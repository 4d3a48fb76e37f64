# SPDX-License-Identifier: MIT
"""If pip outside an environment is refused, as on Debian, `make` uses one of its own."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
REASON = "Use the package manager of this system."


@pytest.fixture
def system_python(tmp_path: Path) -> Path:
    """An interpreter with a library of its own, which is marked as managed by the system."""
    prefix = tmp_path / "system"
    library = prefix / "lib" / VERSION
    library.mkdir(parents=True)
    for each in Path(sysconfig.get_path("stdlib")).iterdir():
        (library / each.name).symlink_to(each)
    (library / "EXTERNALLY-MANAGED").unlink(missing_ok=True)
    (library / "EXTERNALLY-MANAGED").write_text(f"[externally-managed]\nError={REASON}\n")
    python = prefix / "bin" / VERSION
    python.parent.mkdir()
    shutil.copy(Path(sys.executable).resolve(), python)
    return python


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package without contents, which needs no index."""
    file = tmp_path / "nothing-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("nothing-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: nothing\nVersion: 1\n")
        archive.writestr("nothing-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("nothing-1.dist-info/RECORD", "")
    return file


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | environment
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300, check=False)


def test_make_has_an_environment_where_the_system_refuses_pip(system_python: Path, wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    make = ["make", f"PYTHON={system_python}", f"VENV={venv}"]

    made = run(*make, f"{venv}/bin/python")

    assert made.returncode == 0, made.stderr
    [packages] = venv.glob("lib/python3*/site-packages")
    outside = run(system_python, "-m", "pip", "install", wheel, PYTHONPATH=str(packages))
    assert outside.returncode != 0
    assert "externally-managed-environment" in outside.stderr
    assert REASON in outside.stderr
    inside = run(venv / "bin" / "python", "-m", "pip", "install", wheel)
    assert inside.returncode == 0, inside.stderr


def test_make_installs_nothing_outside_its_environment(tmp_path: Path) -> None:
    venv = tmp_path / "venv"

    planned = run("make", "--dry-run", f"PYTHON={sys.executable}", f"VENV={venv}", f"{venv}/developer").stdout

    installs = [line for line in planned.splitlines() if "pip install" in line]
    assert installs
    assert [line for line in installs if not line.startswith(f"{venv}/bin/python -m pip install")] == []
