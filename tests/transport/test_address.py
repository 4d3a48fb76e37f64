# SPDX-License-Identifier: MIT
"""The notation for servers."""

import pytest

from geartrain.transport import ServerAddress, parse_servers


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("a", ServerAddress("a", 4730), "a:4730"),
        ("a:4731", ServerAddress("a", 4731), "a:4731"),
        (" a:4731 ", ServerAddress("a", 4731), "a:4731"),
        (":4731", ServerAddress("localhost", 4731), "localhost:4731"),
        ("a:", ServerAddress("a", 4730), "a:4730"),
        ("127.0.0.1:1", ServerAddress("127.0.0.1", 1), "127.0.0.1:1"),
        ("[::1]:65535", ServerAddress("::1", 65535), "[::1]:65535"),
        ("[::1]", ServerAddress("::1", 4730), "[::1]:4730"),
        ("::1", ServerAddress("::1", 4730), "[::1]:4730"),
        ("[fe80::1%eth0]:4731", ServerAddress("fe80::1%eth0", 4731), "[fe80::1%eth0]:4731"),
        ("tls://c", ServerAddress("c", 4730, tls=True), "tls://c:4730"),
        ("tls://[::1]:4731/", ServerAddress("::1", 4731, tls=True), "tls://[::1]:4731"),
        ("unix:/run/x.sock", ServerAddress("", 0, path="/run/x.sock"), "unix:/run/x.sock"),
    ],
)
def test_an_address_is_read_and_written(text: str, address: ServerAddress, written: str) -> None:
    assert ServerAddress.parse(text) == address
    assert str(address) == written
    assert ServerAddress.parse(written) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no server"),
        ("tls://", "names no server"),
        ("unix:", "names no path"),
        ("a:b", "a port is a number"),
        ("a:0", "a port is a number"),
        ("a:65536", "a port is a number"),
        ("a:0000065536", "a port is a number"),
        ("a:-1", "a port is a number"),
        ("a:\N{SUPERSCRIPT TWO}", "a port is a number"),
        ("[::1", "an IPv6 address"),
        ("[]:4730", "an IPv6 address"),
        ("[::1]4730", "an IPv6 address"),
        ("a b", "white space"),
        ("http://a", "the only scheme"),
    ],
)
def test_an_invalid_address_is_an_error_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        ServerAddress.parse(text)

    assert repr(text) in str(caught.value)


class TestServers:
    def test_default_to_localhost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GEARMAN_SERVERS", raising=False)

        assert parse_servers() == [ServerAddress("localhost", 4730)]

    def test_come_from_the_environment_as_it_is_when_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GEARMAN_SERVERS", "a:1, b")

        assert parse_servers() == [ServerAddress("a", 1), ServerAddress("b", 4730)]
        assert parse_servers("c") == [ServerAddress("c", 4730)]

    def test_are_one_or_several(self) -> None:
        b = ServerAddress("b", 1)

        assert parse_servers("a,b:1") == [ServerAddress("a"), b]
        assert parse_servers(b) == [b]
        assert parse_servers(["a", b]) == [ServerAddress("a"), b]
        assert parse_servers(("a,b:1", "unix:/x")) == [ServerAddress("a"), b, ServerAddress.parse("unix:/x")]

    def test_are_kept_once(self) -> None:
        assert parse_servers("a,b,a:4730") == [ServerAddress("a"), ServerAddress("b")]

    @pytest.mark.parametrize("nothing", [[], "", "a,,b"])
    def test_cannot_be_nothing(self, nothing: str | list[str]) -> None:
        with pytest.raises(ValueError, match=r"list of servers is empty|names no server"):
            parse_servers(nothing)


@pytest.mark.parametrize("servers", [4730, [("localhost", 4730)], b"localhost", ["a", None]])
def test_a_server_that_is_not_text_is_rejected(servers: object) -> None:
    with pytest.raises(TypeError, match="named in text"):
        parse_servers(servers)  # type: ignore[arg-type]  # that is the point
