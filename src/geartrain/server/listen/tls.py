# SPDX-License-Identifier: MIT
"""TLS for the server. Any error in its options prevents the start: the server never falls back to clear text."""

# ruff: noqa: RUF009  # option() returns a dataclass field
import asyncio
import enum
import ssl
from dataclasses import dataclass
from pathlib import Path

from geartrain.core.access import AccessRules
from geartrain.errors import GeartrainError
from geartrain.server.config.kinds import FILE, FLAG, TIMEOUT, choice
from geartrain.server.config.option import Group, option

__all__ = ["TLSError", "TlsOptions", "Verify", "certificate_names", "server_context", "tls_context"]


class TLSError(GeartrainError):
    """The server cannot offer TLS with these options; the message names the file or option that is wrong."""


class Verify(enum.Enum):
    """The demand that clients show a certificate of the given authority."""

    NONE = "none"
    OPTIONAL = "optional"  # a client may show none, but not a wrong one
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """Certificates of the server and of its clients."""

    ssl: bool = option(
        False,
        FLAG,
        Group.TLS,
        "use TLS on every port",
        details="A port uses either TLS or plain text. Any error in the files stops the start: the server never falls "
        "back to plain text.",
    )  # a port cannot be both
    ssl_certificate: str | None = option(
        None,
        FILE,
        Group.TLS,
        "the server's certificate, followed by intermediate ones",
        environment=("GEARMAND_SERVER_PEM",),
        reloadable=True,
        details="A PEM file: first the server's certificate, then those of intermediate authorities. On SIGHUP, the "
        "server reads it again.",
        example="/etc/geartrain/server.pem",
    )
    ssl_key: str | None = option(
        None,
        FILE,
        Group.TLS,
        "the server's private key, if it is not in the file of --ssl-certificate",
        environment=("GEARMAND_SERVER_KEY",),
        reloadable=True,
        details="An encrypted key is an error, because a server cannot ask for its password.",
        example="/etc/geartrain/server.key",
    )
    ssl_ca_file: str | None = option(
        None,
        FILE,
        Group.TLS,
        "the authorities that may sign the certificates of clients",
        environment=("GEARMAND_CA_CERTIFICATE",),
        reloadable=True,
        details="A PEM file with their certificates. It is needed for --ssl-verify. Access rules can match the names "
        "in the certificates of clients.",
        example="/etc/geartrain/ca.pem",
    )
    ssl_verify: Verify = option(
        Verify.NONE,
        choice(Verify, "WHEN"),
        Group.TLS,
        "certificates of clients: none (not requested), optional or required",
        reloadable=True,
        details="With optional, a client may connect without a certificate, but not with an invalid one.",
        example="required",
    )
    handshake_timeout: float = option(
        10.0,
        TIMEOUT,
        Group.TLS,
        "seconds for a client to complete the TLS handshake",
        reloadable=True,
        details="Without this limit, a program that connects and sends nothing would keep its connection for ever.",
        example="5",
    )


# The kinds of alternative names that are text, and the prefixes that access rules have for them.
_KINDS = {"DNS": "dns", "email": "email", "URI": "uri", "IP Address": "ip"}

_MODES = {
    Verify.NONE: ssl.CERT_NONE,
    Verify.OPTIONAL: ssl.CERT_OPTIONAL,
    Verify.REQUIRED: ssl.CERT_REQUIRED,
}


def tls_context(options: TlsOptions, access: AccessRules | None = None) -> ssl.SSLContext | None:
    """Return the context that the options describe, or None without ``--ssl``.

    Args:
        options: The files, and whether clients must show a certificate.
        access: The rules of access, which may match certificates.

    Raises:
        TLSError: The options contradict each other, or a file is wrong.
    """
    if options.ssl_verify is Verify.NONE and access is not None and access.certificates:
        raise TLSError("access rules by certificate need --ssl-verify=optional or required")
    if not options.ssl:
        if options.ssl_verify is not Verify.NONE:
            raise TLSError(
                f"--ssl-verify={options.ssl_verify.value} needs --ssl: there are no certificates without TLS"
            )
        return None
    return server_context(options.ssl_certificate, options.ssl_key, options.ssl_ca_file, options.ssl_verify)


def server_context(
    certificate: str | None, key: str | None, authority: str | None, verify: Verify = Verify.NONE
) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later.

    Args:
        certificate: The file with the server's certificate and its chain.
        key: The file with its key, if that is a separate file.
        authority: The file with the certificates that those of clients are checked against.
        verify: The demand that clients show a certificate.

    Raises:
        TLSError: A file is missing, cannot be read, or does not fit the others.
    """
    if certificate is None:
        raise TLSError("--ssl needs a certificate: name its file with --ssl-certificate")
    if authority is None and verify is not Verify.NONE:
        raise TLSError(
            f"--ssl-verify={verify.value} needs the authority's certificate: name its file with --ssl-ca-file"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in filter(None, (certificate, key, authority)):
        _check_readable(file)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        files = certificate if key is None else f"{certificate} and {key}"
        raise TLSError(f"Could not load the TLS certificate and key from {files}: {_reason(error)}") from error
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError as error:
            raise TLSError(f"Could not load the TLS authority from {authority}: {_reason(error)}") from error
    context.verify_mode = _MODES[verify]
    return context


def certificate_names(transport: asyncio.BaseTransport) -> list[bytes]:
    """Return the common names in the certificate that a peer has shown, and its alternative names.

    Each name follows its kind, as in ``cn:web-1`` and ``dns:web-1.example.org``, so that rules can tell them apart.
    Without a certificate of our authority there are none: the TLS library accepts no other.
    """
    certificate = transport.get_extra_info("peercert") or {}
    names = [f"cn:{value}" for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    names += [f"{_KINDS[key]}:{value}" for key, value in certificate.get("subjectAltName", ()) if key in _KINDS]
    return [name.encode() for name in names]


def _check_readable(file: str) -> None:
    """Raise an error that names the file: those of the TLS library do not."""
    try:
        with Path(file).open("rb"):
            pass
    except OSError as error:
        raise TLSError(f"Could not read the TLS file {file}: {error.strerror}") from error


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal, which a server may not have."""
    raise TLSError("the TLS key is encrypted; a server cannot ask for its password")


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
