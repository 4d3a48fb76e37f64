# SPDX-License-Identifier: MIT
"""The modules that a client imports: those behind TLS, codecs and typed functions only when they are used."""

import subprocess
import sys

import pytest

# Each costs milliseconds of CPU; together they are half of the import of a client that uses them all.
UNUSED = (
    "ssl",
    "pathlib",
    "logging",
    "dataclasses",
    "inspect",
    "concurrent.futures",
    "pickle",
    "uuid",
    "platform",
    "hashlib",
    "ipaddress",
    "msgspec",
    "json",
    "geartrain.client.aio",
    "geartrain.worker",
    "geartrain.core",
)


@pytest.mark.parametrize(
    ("program", "used"),
    [
        ("geartrain.Client", set()),
        ("geartrain.Client('localhost').close()", set()),
        ("geartrain.JSON.encode(1)", {"json", "msgspec", "inspect", "uuid", "platform", "dataclasses"}),
        ("geartrain.Client(tls=geartrain.TLS()).close()", {"ssl", "pathlib"}),
    ],
)
def test_a_client_imports_what_it_uses(program: str, used: set[str]) -> None:
    ask = f"import sys, geartrain; {program}; print(*(name for name in {UNUSED} if name in sys.modules))"

    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) - used == set()
