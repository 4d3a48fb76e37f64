# SPDX-License-Identifier: MIT
"""Build backend: setuptools, which compiles `protocol/` and `core/` with mypyc if possible.

The same files run compiled and interpreted. ``GEARTRAIN_COMPILE`` overrides the default:

- ``1``: compile, or fail;
- ``0``: do not compile;
- not set: compile a wheel if there is a C compiler and the compilation succeeds; do not compile an ``--editable``
  installation, because changes of its source would have no effect.

The build requires mypyc only if it compiles, so that a machine without a compiler needs setuptools only. `setup.py`
reads `extensions` from here, because setuptools has to know at its start whether a wheel is for one interpreter or for
all.
"""

import contextlib
import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from setuptools import Extension, build_meta
from setuptools.build_meta import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "extensions",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

VARIABLE = "GEARTRAIN_COMPILE"
MYPYC = "mypy>=2.0"  # it includes mypyc
FOLDERS = (
    "src/geartrain/protocol",
    "src/geartrain/core",
    "src/geartrain/core/commands",
    "src/geartrain/reactor",
)

Settings: TypeAlias = Mapping[str, str | list[str] | None] | None

extensions: list[Extension] = []  # setup.py passes them to setuptools; filled during the compilation


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Return the requirements of `build_wheel`."""
    return build_meta.get_requires_for_build_wheel(config_settings) + ([MYPYC] if _is_asked(can_compile()) else [])


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """Return what has to be there before `build_editable`."""
    return build_meta.get_requires_for_build_editable(config_settings) + ([MYPYC] if _is_asked(False) else [])


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build a wheel, compiled if that was asked for or can be done, and return its name."""
    if _is_asked(can_compile()):
        try:
            with _compiling():
                return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
        except (Exception, SystemExit) as error:
            if _is_asked(False):
                raise
            print(f"warning: Geartrain is going to be interpreted, as it was not compiled: {error!r}", file=sys.stderr)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build what leads to the source, which is compiled where it stands only if that was asked for."""
    with _compiling() if _is_asked(False) else contextlib.nullcontext():
        return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def can_compile() -> bool:
    """Tell whether there is what mypyc needs: CPython with its headers, and a C compiler."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    return (
        sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and bool(compiler)
        and shutil.which(compiler[0]) is not None
        and Path(sysconfig.get_path("include"), "Python.h").exists()
    )


def _is_asked(otherwise: bool) -> bool:
    """Read what was asked for, if anything was."""
    value = os.environ.get(VARIABLE, "")
    if value not in ("", "0", "1"):
        raise SystemExit(f"{VARIABLE} is 1, 0 or not set, not {value!r}")
    return value == "1" if value else otherwise


@contextlib.contextmanager
def _compiling() -> Iterator[None]:
    """Pass the extensions of mypyc to setuptools during a block."""
    from mypyc.build import mypycify  # installed only if it is required

    modules = sorted(str(module) for folder in FOLDERS for module in Path(folder).glob("[!_]*.py"))
    # Without the settings of pyproject.toml, which are for development with all dependencies.
    made = mypycify(["--config-file=", "--ignore-missing-imports", *modules], group_name="geartrain")
    extensions.extend(made)  # type: ignore[arg-type]  # with setuptools imported, they are all of its kind
    try:
        yield
    finally:
        extensions.clear()
