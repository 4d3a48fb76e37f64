# SPDX-License-Identifier: MIT
"""TLS: certificates of both sides, timeouts, and errors that prevent the start."""

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from geartrain.server import ServerOptions, TLSError, Verify
from geartrain.server.listen.connection_limit import MAX_ADMIN_ONLY
from geartrain.server.listen.rejection import MAX_REJECTIONS
from geartrain.server.listen.tls import server_context, tls_context
from geartrain.testing import RunningServer
from tests.server.servers import RunServer


class Files:
    """An authority, the server's certificate and key, and those of a client."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        issued = self._authority.issue_cert("localhost", "127.0.0.1")
        self.ca, self.certificate, self.key, self.both = (str(folder / name) for name in ("ca", "pem", "key", "both"))
        self.client, self.foreign = str(folder / "client"), str(folder / "foreign")
        self._authority.cert_pem.write_to_path(self.ca)
        issued.cert_chain_pems[0].write_to_path(self.certificate)
        issued.private_key_pem.write_to_path(self.key)
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)
        self._authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(self.client)
        trustme.CA().issue_cert("client").private_key_and_cert_chain_pem.write_to_path(self.foreign)

    def connect(self, server: RunningServer, certificate: str | None = None) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.ca)
        if certificate is not None:
            context.load_cert_chain(certificate)
        plain = socket.create_connection((server.host, server.port), 20)
        return context.wrap_socket(plain, server_hostname="localhost")

    def ask_version(self, server: RunningServer, certificate: str | None = None) -> bytes:
        """Return the answer to ``version``, which is empty if the server rejects the client."""
        try:
            with self.connect(server, certificate) as wire:
                wire.sendall(b"version\n")
                return wire.recv(100)
        except (ssl.SSLError, ConnectionError):  # TLS 1.3 refuses a certificate only after the handshake
            return b""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


def test_a_rejected_peer_gets_an_error_over_tls_as_well(files: Files, run_server: RunServer) -> None:
    options = {"ssl": True, "ssl_certificate": files.certificate, "ssl_key": files.key}
    with run_server(max_connections=1, **options) as server, contextlib.ExitStack() as peers:
        fill(server, files, peers)

        with files.connect(server) as refused:
            assert b"Too many connections (limit 1)" in refused.recv(1000)
            assert refused.recv(1000) == b""


def fill(server: RunningServer, files: Files, peers: contextlib.ExitStack) -> None:
    """Connect as many peers as a server with one connection takes."""
    for _ in range(1 + MAX_ADMIN_ONLY):
        peers.enter_context(files.connect(server))


def silent_peer(server: RunningServer) -> socket.socket:
    """Return a peer that does not begin its handshake."""
    return socket.create_connection((server.host, server.port), 20)


def test_a_rejected_peer_that_stays_silent_is_closed_in_time(files: Files, run_server: RunServer) -> None:
    options = {"ssl": True, "ssl_certificate": files.both, "reject_timeout": 0.05}
    with run_server(max_connections=1, **options) as server, contextlib.ExitStack() as peers:
        fill(server, files, peers)

        with silent_peer(server) as peer, contextlib.suppress(ConnectionResetError):
            assert peer.recv(100) == b""


def test_concurrent_rejections_over_tls_are_limited(files: Files, run_server: RunServer) -> None:
    options = {"ssl": True, "ssl_certificate": files.both, "reject_timeout": 3600.0}
    with run_server(max_connections=1, **options) as server, contextlib.ExitStack() as peers:
        fill(server, files, peers)
        with contextlib.ExitStack() as silent:
            for _ in range(MAX_REJECTIONS):
                silent.enter_context(silent_peer(server))
            with silent_peer(server) as beyond:
                assert beyond.recv(100) == b"", "closed at once, without a handshake"

        told = b""
        while not told:  # the rejections of disconnected peers end a moment later
            with contextlib.suppress(OSError), files.connect(server) as rejected:
                told = rejected.recv(1000)
        assert b"TOO_MANY_CONNECTIONS" in told


def test_a_client_may_speak_tls(files: Files, run_server: RunServer) -> None:
    with run_server(ssl=True, ssl_certificate=files.certificate, ssl_key=files.key) as server:
        assert files.ask_version(server) == b"OK 0.1.0\n"


def test_large_replies_pass(files: Files, run_server: RunServer) -> None:
    echo = b"\0REQ\0\0\0\x10" + (4 << 20).to_bytes(4, "big") + bytes(4 << 20)
    with run_server(ssl=True, ssl_certificate=files.both) as server, files.connect(server) as wire:
        wire.sendall(echo)

        with wire.makefile("rb") as replies:
            assert replies.read(len(echo))[12:] == echo[12:]


def test_a_refused_peer_gets_the_reason(files: Files, run_server: RunServer) -> None:
    with run_server(ssl=True, ssl_certificate=files.both) as server, files.connect(server) as wire:
        wire.sendall(b"\0XXX" + bytes(8))

        assert b"INVALID_MAGIC" in wire.recv(1000)
        assert wire.recv(1000) == b""


def test_clear_text_on_a_tls_port_is_disconnected(files: Files, run_server: RunServer) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(run_server(ssl=True, ssl_certificate=files.both))
        plain = stack.enter_context(socket.create_connection((server.host, server.port), 20))
        plain.sendall(b"version\n" * 10)
        with contextlib.suppress(ConnectionResetError):
            assert b"OK" not in plain.makefile("rb").read()


def test_silent_sockets_are_closed_in_time(
    files: Files, caplog: pytest.LogCaptureFixture, run_server: RunServer
) -> None:
    caplog.set_level(logging.INFO, "geartrain.server")
    with run_server(ssl=True, ssl_certificate=files.both, handshake_timeout=0.1) as server:
        silent = [silent_peer(server) for _ in range(20)]

        for plain in silent:
            with plain, contextlib.suppress(ConnectionResetError):
                assert plain.recv(100) == b""
    assert caplog.text.count("before it was connected") == 20


def test_silent_sockets_neither_block_others_nor_delay_the_shutdown(files: Files, run_server: RunServer) -> None:
    with contextlib.ExitStack() as running, contextlib.ExitStack() as peers:
        server = running.enter_context(run_server(ssl=True, ssl_certificate=files.both, handshake_timeout=1000.0))
        silent = [peers.enter_context(silent_peer(server)) for _ in range(20)]
        assert files.ask_version(server) == b"OK 0.1.0\n"
        running.close()
        for plain in silent:
            with contextlib.suppress(ConnectionResetError):
                assert plain.recv(100) == b""


@pytest.mark.parametrize(
    ("verify", "certificate", "may_speak"),
    [
        (Verify.NONE, "foreign", True),
        (Verify.OPTIONAL, None, True),
        (Verify.OPTIONAL, "client", True),
        (Verify.OPTIONAL, "foreign", False),
        (Verify.REQUIRED, None, False),
        (Verify.REQUIRED, "client", True),
        (Verify.REQUIRED, "foreign", False),
    ],
)
def test_clients_may_have_to_show_a_certificate(
    files: Files, verify: Verify, certificate: str | None, may_speak: bool, run_server: RunServer
) -> None:
    shown = getattr(files, certificate) if certificate is not None else None
    with run_server(ssl=True, ssl_certificate=files.both, ssl_ca_file=files.ca, ssl_verify=verify) as server:
        assert files.ask_version(server, shown) == (b"OK 0.1.0\n" if may_speak else b"")


def test_old_versions_of_tls_are_refused(files: Files) -> None:
    context = server_context(files.both, None, None)

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (lambda files: (None, None, None), "name its file with --ssl-certificate"),
        (lambda files: ("/missing", None, None), "/missing: No such file or directory"),
        (lambda files: (files.certificate, "/missing", None), "/missing: No such file or directory"),
        (lambda files: (files.certificate, files.key, "/missing"), "/missing: No such file or directory"),
        (lambda files: (files.certificate, None, None), "pem: "),
        (lambda files: (files.certificate, files.client, None), "client: key values mismatch"),
        (lambda files: (__file__, None, None), "test_tls.py: "),
        (lambda files: (files.both, None, files.key), "key: "),
    ],
)
def test_the_server_does_not_start_with_mismatching_files(
    files: Files,
    choose: Callable[[Files], tuple[str | None, str | None, str | None]],
    message: str,
    run_server: RunServer,
) -> None:
    certificate, key, authority = choose(files)
    with pytest.raises(TLSError, match=message):
        run_server(ssl=True, ssl_certificate=certificate, ssl_key=key, ssl_ca_file=authority).__enter__()


def test_an_encrypted_key_is_refused_without_a_prompt(files: Files, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(Path(files.key).read_bytes(), None)
    encrypted = tmp_path / "key"
    encrypted.write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret"))
    )

    with pytest.raises(TLSError, match="the TLS key is encrypted"):
        server_context(files.certificate, str(encrypted), None)


def test_certificates_cannot_be_required_without_an_authority_or_without_tls(files: Files) -> None:
    with pytest.raises(TLSError, match="name its file with --ssl-ca-file"):
        server_context(files.both, None, None, Verify.REQUIRED)
    with pytest.raises(TLSError, match="--ssl-verify=required needs --ssl"):
        tls_context(ServerOptions(ssl_verify=Verify.REQUIRED))
