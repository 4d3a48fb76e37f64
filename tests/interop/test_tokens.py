# SPDX-License-Identifier: MIT
"""Tokens of libgearman's clients and workers, which send them as server options."""

import subprocess
from collections.abc import Iterator

import pytest

from geartrain.server import access_rules
from geartrain.testing import RunningServer, run_server
from tests.interop.programs import TIMEOUT, compiled

pytestmark = pytest.mark.interop

KNOWN = "tlhIngan-Hol-vIjatlh"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return compiled("token_peer.c", tmp_path_factory.mktemp("peer"), "gearman")


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with run_server(access=access_rules([{"token": KNOWN, "functions": "f", "may": ["submit", "work"]}])) as server:
        yield server


def test_a_client_and_a_worker_get_rights(program: list[str], server: RunningServer) -> None:
    words = [*program, str(server.port), KNOWN, "f"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        client = subprocess.run([*words, "hello"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        said, _ = worker.communicate(timeout=TIMEOUT)

    assert (client.returncode, client.stdout) == (0, "taken: hello\n")
    assert (worker.returncode, said) == (0, "taken: GEARMAN_SUCCESS\n")


def test_a_wrong_token_and_the_job_are_refused(program: list[str], server: RunningServer) -> None:
    words = [*program, str(server.port), "x" * 16, "f", "hello"]

    client = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)

    assert (client.returncode, client.stdout) == (1, "not taken: \n")
