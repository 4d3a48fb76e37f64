# SPDX-License-Identifier: MIT
"""Stores whose library is not installed: the error names a package that exists on the package index."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from geartrain.storage.store import PACKAGES

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

# Python finds no module of a name whose entry in sys.modules is None.
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from geartrain.storage import StoreError, open_store
from geartrain.storage.gearmand import open_queue
for make in (open_store, open_queue)[:int(sys.argv[3])]:
    try:
        make(sys.argv[2])
    except StoreError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("module", "url", "kinds", "package"),
    [
        ("psycopg", "postgresql:///jobs", 2, "psycopg[binary]"),
        ("pymysql", "mysql://localhost/jobs", 2, "PyMySQL"),
        ("redis", "redis://localhost", 2, "redis[hiredis]"),
        ("pymemcache", "memcached://localhost", 1, "pymemcache"),
    ],
)
def test_the_error_names_the_package_to_install(module: str, url: str, kinds: int, package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, module, url, str(kinds)], capture_output=True, text=True, check=True
    )

    lines = done.stdout.splitlines()
    assert len(lines) == kinds
    for line in lines:
        assert line.startswith("this store needs a Python package (")
        assert module in line
        assert line.endswith(f"install it with: python -m pip install '{package}'")
        assert "geartrain[" not in line


def test_the_packages_are_those_of_the_extras() -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]

    wanted = {extra: re.split(r"[<>=]", packages[0])[0] for extra, packages in extras.items() if extra != "json"}

    assert wanted == PACKAGES
