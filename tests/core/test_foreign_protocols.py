# SPDX-License-Identifier: MIT
"""Connections that speak HTTP or TLS are closed, and no line of theirs is obeyed."""

import pytest

from geartrain.protocol import Command
from geartrain.protocol.packets import request
from geartrain.testing.wire import Wire

_BODY = b"Host: x\r\nContent-Type: text/plain\r\n\r\ncreate function evil\ncancel job H:localhost:1\nversion\n"


@pytest.mark.parametrize(
    "first", [b"POST / HTTP/1.1\r\n", b"GET /x HTTP/1.0\n", b"X-ODD /a b HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n"]
)
@pytest.mark.parametrize("cut", [0, 3, 18, 40])
def test_no_line_of_a_web_page_is_obeyed(wire: Wire, first: bytes, cut: int) -> None:
    client, page = wire.connect(), wire.connect()
    client.submit(b"f")
    data = first + _BODY

    page.send_bytes(data[:cut])
    page.send_bytes(data[cut:])
    wire.tick()

    assert page.is_closed
    assert page.take_bytes().startswith(b"HTTP/1.1 400 ")
    assert client.say("status") == "f\t1\t0\t0\n.\n"


def test_a_request_line_later_ends_the_connection_too(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    peer = wire.connect()

    peer.send_bytes(b"version\n" + request(Command.ECHO_REQ, b"x") + b"POST / HTTP/1.1\r\n" + _BODY * 3)

    assert peer.is_closed
    assert wire.connect().say("status") == ".\n"
    assert caplog.text.count("The connection sends HTTP") == 1


@pytest.mark.parametrize("before", [b"", b"version\n"])
def test_a_tls_handshake_ends_the_connection_before_a_line_is_complete(
    wire: Wire, caplog: pytest.LogCaptureFixture, before: bytes
) -> None:
    peer = wire.connect()

    peer.send_bytes(before + b"\x16\x03\x01")

    assert peer.is_closed
    assert caplog.text.count("the server expects no TLS here") == 1


def test_an_overlong_first_line_ends_the_connection(wire: Wire) -> None:
    peer = wire.connect()

    peer.send_bytes(b"POST /" + b"x" * 8192 + b" HTTP/1.1\r\n" + _BODY)

    assert peer.is_closed
    assert wire.connect().say("status") == ".\n"


@pytest.mark.parametrize("line", ["version HTTP", "version HTTP/1", "status HTTP/1.1x"])
def test_other_lines_are_answered(wire: Wire, line: str) -> None:
    peer = wire.connect()

    assert peer.say(line)
    assert not peer.is_closed
