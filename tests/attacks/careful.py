# SPDX-License-Identifier: MIT
"""A server with the configuration ``careful.toml`` of the page on security, and connections to it."""

import re
import socket
import ssl
from pathlib import Path

import trustme

from geartrain.testing import ServerProcess

__all__ = ["CAREFUL", "Careful"]

_PAGE = Path(__file__).parents[2] / "docs" / "topics" / "security.md"
[CAREFUL] = re.findall(r"```toml\n# careful\.toml\n(.*?)```", _PAGE.read_text(), re.DOTALL)

_TIMEOUT = 60.0  # seconds; only a failure takes as long


class Careful:
    """Files for such a server: its configuration, and the certificates of both sides.

    Args:
        folder: An empty folder.
        max_memory_mib: In place of the memory limit of the page, which is for a larger machine.
        max_packet_mib: In place of the largest packet of the page, likewise.
    """

    def __init__(self, folder: Path, *, max_memory_mib: int, max_packet_mib: int) -> None:
        self._folder = folder
        self.max_memory_mib = max_memory_mib
        self.max_packet_mib = max_packet_mib
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(folder / "ca.pem")
        server = self._authority.issue_cert("localhost")
        server.cert_chain_pems[0].write_to_path(folder / "server.pem")
        server.private_key_pem.write_to_path(folder / "server.key")
        text = CAREFUL.replace("/etc/geartrain", str(folder)).replace("10.0.0.5", "127.0.0.1")
        (folder / "careful.toml").write_text(text)
        self._contexts = {right: self._issue(right) for right in ("web-1", "worker-1")}

    def _issue(self, name: str) -> ssl.SSLContext:
        file = self._folder / name
        self._authority.issue_cert(common_name=name).private_key_and_cert_chain_pem.write_to_path(file)
        context = ssl.create_default_context(cafile=str(self._folder / "ca.pem"))
        context.load_cert_chain(file)
        return context

    def server(self) -> ServerProcess:
        """Return the server, which is not started yet."""
        return ServerProcess(
            f"--config-file={self._folder / 'careful.toml'}",
            f"--max-memory={self.max_memory_mib}M",
            f"--max-packet-size={self.max_packet_mib}M",
            "--listen=127.0.0.1",
        )

    def most_mib(self, connections: int) -> float:
        """Return the memory that the server may take beyond that at its start, as the page states it."""
        return 1.5 * self.max_memory_mib + 3 * self.max_packet_mib + 0.3 * connections

    def submitter(self, port: int) -> ssl.SSLSocket:
        """Connect a client that may submit jobs of ``mail:*``."""
        return self._connect("web-1", port)

    def worker(self, port: int) -> ssl.SSLSocket:
        """Connect a worker that may do them."""
        return self._connect("worker-1", port)

    def _connect(self, name: str, port: int) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
        return self._contexts[name].wrap_socket(plain, server_hostname="localhost")
