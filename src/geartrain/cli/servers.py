# SPDX-License-Identifier: MIT
"""The options and variables of `gearman` and `gearadmin` for servers, TLS files and tokens."""

import socket
from collections.abc import Mapping

from geartrain.errors import NoServerAvailable
from geartrain.names import token_bytes
from geartrain.transport.address import ServerAddress
from geartrain.transport.sockets import WITHOUT_TLS
from geartrain.transport.tls import TLS

__all__ = [
    "TLS_VARIABLES",
    "ACCESS_VARIABLE",
    "UnknownServer",
    "cannot_reach",
    "client_tls",
    "client_token",
    "server_address",
]

TLS_VARIABLES = """\
  GEARMAND_CA_CERTIFICATE   file of the authorities to trust for TLS [those of the system]
  GEARMAN_CLIENT_PEM        file of the client certificate, for servers that ask for one
  GEARMAN_CLIENT_KEY        file of the private key of that certificate"""

# On a command line, every user of the machine could read it.
ACCESS_VARIABLE = """\
  GEARMAN_TOKEN             token for servers with access rules; --token-file overrides it"""

_START_HINT = "Is a job server running there? The command gearmand starts one."


class UnknownServer(NoServerAvailable):
    """Host and port name no server."""


def cannot_reach(problem: NoServerAvailable) -> str:
    """Return the message about servers that cannot be reached, with a hint if they may not be running."""
    message = f"cannot reach {problem}"
    return message if WITHOUT_TLS in message else f"{message}\n{_START_HINT}"


def server_address(host: str, port: str) -> ServerAddress:
    """Return the address for the options -h and -p; a port may also be the name of a service.

    Raises:
        UnknownServer: There is no such port.
    """
    try:
        number = int(port) if port.isdigit() else socket.getservbyname(port, "tcp")
    except OSError:
        number = -1
    if not 0 < number < 65536:
        raise UnknownServer(f"{host}:{port}: the port is neither a number from 1 to 65535 nor a known service")
    return ServerAddress(host or "localhost", number)


def client_tls(environment: Mapping[str, str]) -> TLS:
    """Return the TLS settings of the option -S.

    As with the C tools, the certificate of a server need not name its host: those of existing installations seldom do.
    An address that begins with ``tls://`` is checked for its name, too.
    """
    return TLS(
        ca=environment.get("GEARMAND_CA_CERTIFICATE") or None,
        certificate=environment.get("GEARMAN_CLIENT_PEM") or None,
        key=environment.get("GEARMAN_CLIENT_KEY") or None,
        check_name=False,
    )


def client_token(file: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the first token in a file, or without a file that of the environment, or None.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file has no token.
        LocalProtocolError: The token of the environment is not allowed by the protocol.
    """
    if file is not None:
        from geartrain.transport.tokens import read_tokens

        return read_tokens(file)[0]
    token = environment.get("GEARMAN_TOKEN")
    if token:
        token_bytes(token)
    return token or None
