# SPDX-License-Identifier: MIT
"""TLS for the server. Whatever is wrong with it is an error at the start: nothing falls back to clear text."""

import asyncio
import enum
import ssl
from pathlib import Path

from geartrain.errors import GeartrainError

__all__ = ["TLSError", "Verify", "certificate_names", "server_context"]


class TLSError(GeartrainError):
    """The server cannot offer TLS with these files; the message names the one that is to blame."""


class Verify(enum.Enum):
    """Whether clients have to show a certificate of the given authority."""

    NONE = "none"
    OPTIONAL = "optional"  # a client may come without one, but not with a wrong one
    REQUIRED = "required"


# The kinds of alternative names that are text.
_NAMES = frozenset({"DNS", "email", "URI", "IP Address"})

_MODES = {
    Verify.NONE: ssl.CERT_NONE,
    Verify.OPTIONAL: ssl.CERT_OPTIONAL,
    Verify.REQUIRED: ssl.CERT_REQUIRED,
}


def server_context(
    certificate: str | None, key: str | None, authority: str | None, verify: Verify = Verify.NONE
) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later.

    Args:
        certificate: The file with the server's certificate and the chain behind it.
        key: The file with its key, when that is a file of its own.
        authority: The file with the certificates that clients' are checked against.
        verify: Whether they are asked for.

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
    """Return who a peer is: the common names in the certificate that it has shown, and its alternative names.

    Without a certificate of our authority there are none: the TLS library gives us no other.
    """
    certificate = transport.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    names += [value for key, value in certificate.get("subjectAltName", ()) if key in _NAMES]
    return [name.encode() for name in names]


def _check_readable(file: str) -> None:
    """Let the error for a file name it: those of the TLS library do not."""
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
