# SPDX-License-Identifier: MIT
"""What an encrypted connection needs on our side."""

import ssl
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TLS", "client_context"]


@dataclass(frozen=True, slots=True)
class TLS:
    """The files for encrypted connections, in PEM form.

    Attributes:
        ca: The certificates of the authorities that vouch for servers; the system's if left out.
        certificate: Our own certificate, shown to servers that ask for one.
        key: Its private key; may be left out if the certificate's file holds it.
        check_name: Whether a server's certificate must name the host that we asked for. The C library does not look.
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    check_name: bool = True

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            OSError: A file cannot be read, or does not hold what it should (then as ``ssl.SSLError``).
        """
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = self.check_name
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def client_context(tls: ssl.SSLContext | TLS | None) -> ssl.SSLContext | None:
    """Return the context behind the option ``tls=``, reading the files of a `TLS` once."""
    if tls is not None and not isinstance(tls, TLS | ssl.SSLContext):
        raise TypeError(f"tls is an ssl.SSLContext, or a geartrain.TLS that names files, not {tls!r}")
    return tls.context() if isinstance(tls, TLS) else tls
