# SPDX-License-Identifier: MIT
"""TLS settings of clients, workers and administrators."""

from typing import TYPE_CHECKING

from geartrain.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path
    from ssl import SSLContext

__all__ = ["TLS", "client_context"]


@frozen
class TLS:
    """The files for encrypted connections, in PEM form.

    Attributes:
        ca: The certificates of the trusted authorities; the system's if left out.
        certificate: The client's own certificate, sent to servers that ask for one.
        key: Its private key; may be left out if the certificate's file holds it.
        check_name: True if a server's certificate must name the host of its address. The C library does not check this.
    """

    ca: "str | Path | None" = None
    certificate: "str | Path | None" = None
    key: "str | Path | None" = None
    check_name: bool = True

    def context(self) -> "SSLContext":
        """Read the files.

        Raises:
            OSError: A file cannot be read; ``ssl.SSLError`` if its content is not a certificate or a key.
        """
        from ssl import create_default_context

        context = create_default_context(cafile=self.ca)
        context.check_hostname = self.check_name
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def client_context(tls: "SSLContext | TLS | None") -> "SSLContext | None":
    """Return the SSL context for the option ``tls=``; the files of a `TLS` are read now.

    Raises:
        TypeError: The value is neither a `TLS` nor an ``ssl.SSLContext``.
        OSError: A file of a `TLS` cannot be read.
    """
    if tls is None:
        return None
    if isinstance(tls, TLS):
        return tls.context()
    from ssl import SSLContext

    if not isinstance(tls, SSLContext):
        raise TypeError(f"tls is an ssl.SSLContext, or a geartrain.TLS that names files, not {tls!r}")
    return tls
