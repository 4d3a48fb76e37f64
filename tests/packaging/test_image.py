# SPDX-License-Identifier: MIT
"""What the image and the units say of our commands is what these take."""

import json
import re
from pathlib import Path

import pytest

from geartrain.cli import gearadmin
from geartrain.server.config.sources import read
from geartrain.server.options import OPTIONS
from geartrain.testing import run_server

PACKAGING = Path(__file__).parents[2] / "packaging"
CONTAINERFILE = (PACKAGING / "Containerfile").read_text().replace("\\\n", "")
VARIABLES = re.compile(r"\b(GEARMAND_\w+)=(\S+)")


def variables(text: str) -> dict[str, str]:
    """Return the variables of gearmand that a file sets."""
    return dict(VARIABLES.findall(text))


@pytest.mark.parametrize("file", ["Containerfile", "systemd/geartrain.service"])
def test_the_variables_are_options(file: str) -> None:
    found = variables((PACKAGING / file).read_text())
    known = {variable for option in OPTIONS.values() for variable in option.variables}

    assert "GEARMAND_STORE" in found
    assert found.keys() <= known
    options = read(["--config-file=/dev/null"], found).options
    assert options.store == "sqlite:///var/lib/geartrain/gearmand.db"


def test_draining_fits_into_the_time_before_an_engine_kills() -> None:
    assert float(variables(CONTAINERFILE)["GEARMAND_DRAIN_TIMEOUT"]) < 10, "seconds of Docker and Podman"


def test_the_health_check_asks_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is written, but for the port."""
    found = re.search(r"^HEALTHCHECK .*--timeout=(\d+)s .*CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert found is not None
    program, *words = json.loads(found[2])
    assert program == "gearadmin"
    assert float(words[words.index("--timeout") + 1]) < float(found[1])

    with run_server() as server:
        assert gearadmin.main([*words, "--port", str(server.port), "--host", server.host]) == 0
    assert "answers after" in capsys.readouterr().out
    assert gearadmin.main([*words, "--port", str(server.port), "--host", server.host]) == 1


def test_it_does_not_run_as_root() -> None:
    user = re.findall(r"^USER (\d+):(\d+)$", CONTAINERFILE, re.MULTILINE)

    assert len(user) == 1
    assert "0" not in user[0]
    assert f"--uid {user[0][0]} --gid {user[0][1]}" in CONTAINERFILE


def test_what_is_copied_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
    assert copied

    for name in " ".join(copied).split():
        assert (PACKAGING.parent / name).exists(), name
