# SPDX-License-Identifier: MIT
"""Access on real sockets: certificates of clients, Unix sockets, and rules that are replaced."""

import contextlib
import dataclasses
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from geartrain.protocol import RESPONSE, Command, request
from geartrain.server import Endpoint, Server, ServerOptions, TLSError, Verify
from geartrain.server.config.access import access_rules
from geartrain.server.listen.tls import tls_context
from geartrain.testing import RunningServer
from tests.packets import Packets
from tests.server.servers import RunServer, Serve

KNOWN = "tlhIngan-Hol-vIjatlh"
CREATED = (Command.JOB_CREATED,)
REFUSED = (Command.ERROR, b"NOT_ALLOWED")


def ask(wire: socket.socket, *packets: bytes) -> list[tuple[Command | bytes, ...]]:
    """Send packets, and return the answer to each."""
    wire.settimeout(20)
    wire.sendall(b"".join(packets))
    parser, answers = Packets(RESPONSE), list[tuple[Command | bytes, ...]]()
    while len(answers) < len(packets):
        data = wire.recv(10000)
        assert data, "the server closed the connection"
        answers += [(Command(number), *arguments) for number, arguments in parser.receive(data)]
    return answers


def submit(wire: socket.socket, function: bytes) -> tuple[Command | bytes, ...]:
    """Submit a job, and return the answer without the handle or text."""
    (answer,) = ask(wire, request(Command.SUBMIT_JOB_BG, function, b"", b""))
    return answer[:-1]


class Files:
    """An authority, the server's certificate, and certificates of clients with different names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.ca = str(folder / "ca")
        self._authority.cert_pem.write_to_path(self.ca)
        self.server = self.issue("server", "localhost")
        self.by_dns = self.issue("dns", "web-1.example.org")
        self.by_mail = self.issue("mail", "boss@example.org")
        self.by_name = self.issue("name", common_name="mailer")
        self.unknown = self.issue("unknown", "elsewhere.example.net", common_name="unknown")
        self.foreign = self.write("foreign", trustme.CA().issue_cert(common_name="mailer"))

    def issue(self, file: str, *names: str, common_name: str | None = None) -> str:
        return self.write(file, self._authority.issue_cert(*names, common_name=common_name))

    def write(self, file: str, issued: trustme.LeafCert) -> str:
        path = self._folder / file
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    @contextlib.contextmanager
    def connect(self, port: int, certificate: str | None = None) -> Iterator[ssl.SSLSocket]:
        context = ssl.create_default_context(cafile=self.ca)
        if certificate is not None:
            context.load_cert_chain(certificate)
        with (
            socket.create_connection(("127.0.0.1", port), 20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wire,
        ):
            yield wire


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


RULES = [
    {"certificate": ["*.example.org", "email:boss@*"], "functions": "web", "may": "submit"},
    {"certificate": "mailer", "functions": "mail", "may": ["submit", "admin"]},
]


def test_a_certificate_identifies_a_client(files: Files, run_server: RunServer) -> None:
    with run_server(
        ssl=True,
        ssl_certificate=files.server,
        ssl_ca_file=files.ca,
        ssl_verify=Verify.OPTIONAL,
        access=access_rules(RULES),
    ) as server:
        for shown, function in ((files.by_dns, b"web"), (files.by_mail, b"web"), (files.by_name, b"mail")):
            with files.connect(server.port, shown) as wire:
                assert submit(wire, function) == CREATED
                assert submit(wire, b"other") == REFUSED
        for stranger in (files.unknown, None):
            with files.connect(server.port, stranger) as wire:
                assert submit(wire, b"web") == submit(wire, b"mail") == REFUSED
        with files.connect(server.port, files.by_name) as wire:
            wire.sendall(b"maxqueue mail 5\nmaxqueue web 5\n")
            with wire.makefile("rb") as replies:
                assert [replies.readline() for _ in range(2)] == [
                    b"OK\r\n",
                    b"ERR NOT_ALLOWED maxqueue+of+web+is+for+its+administrators\r\n",
                ]


def test_a_rule_without_a_kind_matches_no_email_address(files: Files, run_server: RunServer) -> None:
    rules = [
        {"certificate": "boss@*", "functions": "any", "may": "submit"},
        {"certificate": "cn:*", "functions": "cn", "may": "submit"},
        {"certificate": "uri:*", "functions": "uri", "may": "submit"},
        {"certificate": "dns:*", "functions": "dns", "may": "submit"},
        {"certificate": "email:boss@*", "functions": "email", "may": "submit"},
    ]
    with (
        run_server(
            ssl=True,
            ssl_certificate=files.server,
            ssl_ca_file=files.ca,
            ssl_verify=Verify.OPTIONAL,
            access=access_rules(rules),
        ) as server,
        files.connect(server.port, files.by_mail) as wire,
    ):
        assert submit(wire, b"any") == REFUSED
        assert submit(wire, b"cn") == submit(wire, b"uri") == submit(wire, b"dns") == REFUSED
        assert submit(wire, b"email") == CREATED


def test_the_same_name_of_another_authority_has_no_rights(files: Files, run_server: RunServer) -> None:
    with (
        run_server(
            ssl=True,
            ssl_certificate=files.server,
            ssl_ca_file=files.ca,
            ssl_verify=Verify.OPTIONAL,
            access=access_rules(RULES),
        ) as server,
        pytest.raises((ssl.SSLError, ConnectionError, AssertionError)),  # TLS 1.3 refuses it after the handshake
        files.connect(server.port, files.foreign) as wire,
    ):
        submit(wire, b"mail")


@pytest.mark.parametrize("options", [{}, {"ssl": True}])
def test_rules_by_certificate_need_certificates(files: Files, options: dict[str, bool]) -> None:
    chosen = ServerOptions(access=access_rules(RULES), ssl_certificate=files.server, **options)  # type: ignore[arg-type]

    with pytest.raises(TLSError, match="access rules by certificate need --ssl-verify=optional or required"):
        tls_context(chosen, chosen.access)


def test_a_unix_socket_is_local_and_a_token_is_needed_where_rules_ask_for_it(
    tmp_path: Path, run_server: RunServer
) -> None:
    path = str(tmp_path / "s")
    rules = access_rules([{"address": "local", "functions": "a", "may": "submit"}, {"token": KNOWN, "may": "submit"}])
    with run_server(access=rules, listen=(Endpoint(path=path),)), socket.socket(socket.AF_UNIX) as wire:
        wire.connect(path)
        assert submit(wire, b"a") == CREATED
        assert submit(wire, b"b") == REFUSED
        assert ask(wire, request(Command.OPTION_REQ, f"token={KNOWN}".encode())) == [(Command.OPTION_RES, b"token")]
        assert submit(wire, b"b") == CREATED


def test_a_peer_that_guesses_tokens_is_disconnected(run_server: RunServer) -> None:
    rules = access_rules([{"token": KNOWN, "may": "submit"}])
    with run_server(access=rules) as server, socket.create_connection((server.host, server.port), 20) as wire:
        guesses = [request(Command.OPTION_REQ, b"token=%032d" % number) for number in range(3)]
        assert [answer[1] for answer in ask(wire, *guesses)] == [b"WRONG_TOKEN"] * 3

        assert wire.recv(100) == b""


def reload(running: RunningServer, options: ServerOptions) -> None:
    running.call(lambda server: server.reload(options))


class TestReload:
    @pytest.fixture
    def options(self, files: Files) -> ServerOptions:
        return ServerOptions(
            port=0,
            listen=(Endpoint("127.0.0.1"),),
            store="none",
            ssl=True,
            ssl_certificate=files.server,
            ssl_ca_file=files.ca,
            ssl_verify=Verify.OPTIONAL,
            access=access_rules(RULES),
        )

    def test_rules_apply_to_all_connections_and_certificates_to_new_ones(
        self, files: Files, options: ServerOptions, serve: Serve
    ) -> None:
        with serve(lambda: Server(options)) as server, files.connect(server.port, files.by_dns) as wire:
            assert submit(wire, b"web") == CREATED

            renewed = files.issue("renewed", "localhost")
            rules = access_rules([{"certificate": "web-1.*", "functions": "shop", "may": "submit"}])
            reload(server, dataclasses.replace(options, ssl_certificate=renewed, access=rules))

            assert submit(wire, b"web") == REFUSED
            assert submit(wire, b"shop") == CREATED
            with files.connect(server.port, files.by_dns) as newcomer:
                assert submit(newcomer, b"shop") == CREATED
                assert newcomer.getpeercert(binary_form=True) != wire.getpeercert(binary_form=True)

    def test_files_that_cannot_be_read_change_nothing(self, files: Files, options: ServerOptions, serve: Serve) -> None:
        with serve(lambda: Server(options)) as server, files.connect(server.port, files.by_dns) as wire:
            with pytest.raises(TLSError, match="/missing: No such file"):
                reload(server, dataclasses.replace(options, ssl_certificate="/missing", access=None, max_connections=1))

            assert submit(wire, b"other") == REFUSED
            with files.connect(server.port, files.by_dns) as newcomer:
                assert submit(newcomer, b"web") == CREATED

    def test_limits_change(self, files: Files, options: ServerOptions, serve: Serve) -> None:
        with serve(lambda: Server(options)) as server, files.connect(server.port, files.by_dns) as wire:
            reload(server, dataclasses.replace(options, max_connections_per_address=1, max_packet_size=100, port=1))

            with files.connect(server.port, files.by_dns) as guest:
                assert submit(guest, b"web") == (Command.ERROR, b"TOO_MANY_CONNECTIONS")
            assert submit(wire, b"web") == CREATED
            reload(server, dataclasses.replace(options, max_packet_size=100))
            with files.connect(server.port, files.by_dns) as newcomer:
                (answer,) = ask(newcomer, request(Command.ECHO_REQ, bytes(101)))
                assert answer[1] == b"ARGUMENT_TOO_LARGE"
