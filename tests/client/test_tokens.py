# SPDX-License-Identifier: MIT
"""Clients of both kinds and servers that ask for a token."""

from collections.abc import Iterator

import pytest

from geartrain import ServerError
from geartrain.server import access_rules
from geartrain.testing import FaultProxy, run_server
from tests.client.shells import Shell

KNOWN = "tlhIngan-Hol-vIjatlh"


@pytest.fixture
def guarded() -> Iterator[str]:
    with run_server(access=access_rules([{"token": KNOWN, "functions": "f", "may": "submit"}])) as server:
        yield server.address


def test_it_is_shown_again_after_a_loss(shell: Shell, guarded: str) -> None:
    with FaultProxy(guarded) as proxy, shell.client(proxy.address, token=KNOWN, client_id="me") as client:
        handle = client.submit_background("f")
        proxy.cut()

        assert client.status(handle).known
        assert client.submit_background("f").name != handle.name


def test_a_denied_job_is_an_error_that_names_the_function(shell: Shell, guarded: str) -> None:
    with shell.client(guarded, token=KNOWN) as known, shell.client(guarded) as unknown:
        for client, function in ((known, "g"), (unknown, "f")):
            with pytest.raises(ServerError, match=f"may not submit jobs of {function}") as caught:
                client.submit_background(function)
            assert caught.value.code == "NOT_ALLOWED"


def test_a_server_that_does_not_accept_it_is_warned_of(
    shell: Shell, guarded: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        shell.client(guarded, token="x" * 16) as client,
        pytest.raises(ServerError, match="may not submit jobs of f"),
    ):
        client.submit_background("f")

    assert f"{guarded} does not accept our token: WRONG_TOKEN" in caplog.text
    assert "x" * 16 not in caplog.text


def test_nothing_shows_it(shell: Shell) -> None:
    with shell.client("localhost", token=KNOWN) as client:
        assert KNOWN not in repr(client) + repr(getattr(client, "_options", ""))
