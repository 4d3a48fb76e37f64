# SPDX-License-Identifier: MIT
"""The notation of endpoints, and addresses of peers as text."""

import pytest

from geartrain.server.listen.endpoints import Endpoint, describe, host_of, is_local


@pytest.mark.parametrize(
    ("text", "endpoint", "written"),
    [
        ("localhost", Endpoint("localhost"), "localhost"),
        ("127.0.0.1:4731", Endpoint("127.0.0.1", 4731), "127.0.0.1:4731"),
        ("a:0", Endpoint("a", 0), "a:0"),
        ("::1", Endpoint("::1"), "::1"),
        ("[::1]", Endpoint("::1"), "::1"),
        ("[::1]:4731", Endpoint("::1", 4731), "[::1]:4731"),
        ("*", Endpoint(), "*"),
        ("*:4731", Endpoint("", 4731), "*:4731"),
        ("unix:/run/x y", Endpoint(path="/run/x y"), "unix:/run/x y"),
    ],
)
def test_an_endpoint_is_parsed_and_formatted(text: str, endpoint: Endpoint, written: str) -> None:
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == written


@pytest.mark.parametrize(
    "text", ["", ":1", "a b", "a:b", "a:70000", "a:-1", "[::1", "[]:1", "[::1]x", "unix:", "/run/x"]
)
def test_an_invalid_endpoint_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as|host:port|after the colon"):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    ("address", "described", "host", "local"),
    [
        (("127.0.0.1", 1), "127.0.0.1:1", "127.0.0.1", True),
        (("10.0.0.1", 1), "10.0.0.1:1", "10.0.0.1", False),
        (("::1", 1, 0, 0), "[::1]:1", "::1", True),
        (("fe80::1234:5678%eth0", 1, 0, 2), "[fe80::1234:5678%eth0]:1", "fe80::1234:5678%eth0", False),
        ("", "unix", "unix", True),
        ("/run/client", "unix:/run/client", "unix", True),
    ],
)
def test_the_address_of_a_peer_is_complete(address: object, described: str, host: str, local: bool) -> None:
    assert (describe(address), host_of(address), is_local(address)) == (described, host, local)
