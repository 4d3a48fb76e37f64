# SPDX-License-Identifier: MIT
"""The build backend, run as by ``pip install``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "geartrain"
BUILD = "import geartrain_build; print(geartrain_build.build_wheel('.'))"
# A package with the two folders that are compiled, small enough to build in seconds.
PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "geartrain_build"
backend-path = ["packaging/backend"]

[project]
name = "geartrain"
version = "1"

[tool.setuptools.packages.find]
where = ["src"]
"""
MODULE = "def double(number: int) -> int:\n    return 2 * number\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of such a package, with our build backend."""
    shutil.copytree(ROOT / "packaging" / "backend", tmp_path / "packaging" / "backend")
    shutil.copy(ROOT / "setup.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    for name in ("protocol", "core"):
        folder = tmp_path / "src" / "geartrain" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / f"{name}_part.py").write_text(MODULE)
    (tmp_path / "src" / "geartrain" / "__init__.py").touch()
    return tmp_path


def build(folder: Path, compiles: str) -> tuple[subprocess.CompletedProcess[str], str, set[str]]:
    """Build a wheel in a folder; return the process, the wheel's name, and its files."""
    environment = os.environ | {"GEARTRAIN_COMPILE": compiles, "PYTHONPATH": str(folder / "packaging" / "backend")}
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return done, "", set()
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        return done, wheel.name, set(archive.namelist())


def test_an_interpreted_wheel_is_for_any_platform_and_complete(tmp_path: Path) -> None:
    for name in ("src", "packaging"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so")
        )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)

    done, wheel, files = build(tmp_path, "0")

    assert done.returncode == 0, done.stderr
    assert wheel.endswith("-py3-none-any.whl")
    assert {f"geartrain/{file.relative_to(SOURCE)}" for file in SOURCE.rglob("*.py")} <= files
    assert "geartrain/py.typed" in files
    shared = {name.partition(".data/data/share/")[2] for name in files if ".data/data/share/" in name}
    assert {"man/man1/gearman.1", "man/man8/gearmand-store.8", "bash-completion/completions/gearadmin"} <= shared
    assert {"zsh/site-functions/_gearmand", "fish/vendor_completions.d/gearman.fish"} <= shared
    assert "doc/geartrain/gearmand.toml" in shared
    assert not [name for name in files if name.endswith((".so", ".c")) or name.startswith(("tests", "packaging"))]
    metadata = {name.partition(".dist-info/")[2] for name in files}
    assert {"entry_points.txt", "licenses/LICENSE", "METADATA"} <= metadata


@pytest.mark.skipif((ROOT / ".venv-compiled").exists(), reason="`make test-compiled` builds it so")
@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="there is no C compiler")
def test_a_compiled_wheel_is_for_one_interpreter_and_has_both(project: Path) -> None:
    done, wheel, files = build(project, "1")

    assert done.returncode == 0, done.stderr
    assert f"cp3{sys.version_info.minor}" in wheel
    for module in ("protocol/protocol_part", "core/core_part"):
        assert f"geartrain/{module}.py" in files
        assert [name for name in files if name.startswith(f"geartrain/{module}.") and name.endswith(".so")]


def test_a_package_that_cannot_be_compiled_is_interpreted_unless_compiling_was_requested(project: Path) -> None:
    (project / "src" / "geartrain" / "core" / "core_part.py").write_text("double: int = 'a string'\n")

    asked, _, _ = build(project, "1")
    silent, wheel, files = build(project, "")

    assert asked.returncode != 0
    assert silent.returncode == 0, silent.stderr
    assert wheel == "geartrain-1-py3-none-any.whl"
    assert "geartrain/core/core_part.py" in files


def test_an_invalid_value_of_the_variable_is_refused(project: Path) -> None:
    done, _, _ = build(project, "yes")

    assert done.returncode != 0
    assert "GEARTRAIN_COMPILE is 1, 0 or not set, not 'yes'" in done.stderr
