# SPDX-License-Identifier: MIT
"""The container image and the systemd units: options, folders and commands."""

import json
import re
from pathlib import Path

import pytest

from geartrain.cli import gearadmin
from geartrain.server.config.sources import DEFAULT_FILES, read
from geartrain.server.process.default_paths import DefaultPaths
from geartrain.testing import run_server

PACKAGING = Path(__file__).parents[2] / "packaging"
CONTAINERFILE = (PACKAGING / "Containerfile").read_text().replace("\\\n", "")
OPTIONS_FILE = PACKAGING / "image.toml"
VARIABLES = re.compile(r"\b(GEARMAND_\w+)=(\S+)")


@pytest.mark.parametrize("file", ["Containerfile", "systemd/geartrain.service"])
def test_no_variable_overrides_the_file_of_options(file: str) -> None:
    assert VARIABLES.findall((PACKAGING / file).read_text()) == []


def test_jobs_are_stored_in_the_folder_that_the_packaging_creates() -> None:
    found = re.search(r"\bSTATE_DIRECTORY=(\S+)", CONTAINERFILE)
    assert found is not None
    assert f"VOLUME {found[1]}\n" in CONTAINERFILE
    # systemd sets the variable itself, to a folder below /var/lib.
    assert "\nStateDirectory=geartrain\n" in (PACKAGING / "systemd/geartrain.service").read_text()

    paths = DefaultPaths({"STATE_DIRECTORY": found[1]}, is_root=False)
    assert paths.store_file(4730) == Path("/var/lib/geartrain/gearmand-4730.db")


def test_draining_is_shorter_than_the_stop_timeout_of_container_engines() -> None:
    assert read([f"--config-file={OPTIONS_FILE}"], {}).options.drain_timeout < 10, "seconds of Docker and Podman"


def test_the_options_of_the_image_are_in_the_default_file() -> None:
    copied = re.search(rf"^COPY packaging/{OPTIONS_FILE.name} (\S+)$", CONTAINERFILE, re.MULTILINE)

    assert copied is not None
    assert copied[1] == DEFAULT_FILES[0]
    assert read([f"--config-file={OPTIONS_FILE}"], {}).warnings == []


def test_the_health_check_asks_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the file, with another port."""
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


def test_copied_files_exist() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
    assert copied

    for name in " ".join(copied).split():
        assert (PACKAGING.parent / name).exists(), name
