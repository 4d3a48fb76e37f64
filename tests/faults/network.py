# SPDX-License-Identifier: MIT
"""A network namespace in which tests can drop packets, which a proxy on loopback cannot do.

A proxy closes or holds connections, while its operating system still sends acknowledgements. Here no side answers.
"""

import contextlib
import ctypes
import enum
import itertools
import os
import socket
import subprocess
from collections.abc import Iterator
from types import TracebackType

import pytest

from tests.job_servers import needs

__all__ = ["Island", "Lost"]

_SUBNETS = 0xC612_0000  # 198.18.0.0/15, reserved for network tests, in subnets of four addresses
_numbers = itertools.count(os.getpid() % 8192 * 4)


class Lost(enum.Enum):
    """The direction in which packets are dropped."""

    ALL = ("INPUT", "OUTPUT")
    TO_ISLAND = ("INPUT",)
    FROM_ISLAND = ("OUTPUT",)


class Island:
    """A network namespace with one link to the rest of the machine, used in a ``with`` statement.

    Attributes:
        here: Our address as seen from the namespace.
    """

    def __init__(self) -> None:
        number = next(_numbers) % 32768
        self._name = f"geartrain-{os.getpid()}-{number}"
        self._link = f"gt{number}"
        self.here, self._there = (_dotted(_SUBNETS + 4 * number + host) for host in (1, 2))

    def __enter__(self) -> "Island":
        ip = needs("/usr/sbin/ip")
        needs("/usr/sbin/iptables")
        try:
            _run(ip, "netns", "add", self._name)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"there are no network namespaces here: {error}")
        try:
            _run(ip, "link", "add", self._link, "type", "veth", "peer", "name", "way", "netns", self._name)
            _run(ip, "address", "add", f"{self.here}/30", "dev", self._link)
            _run(ip, "link", "set", self._link, "up")
            _run(ip, "-n", self._name, "address", "add", f"{self._there}/30", "dev", "way")
            _run(ip, "-n", self._name, "link", "set", "way", "up")
            self._filter("--list")
        except subprocess.CalledProcessError as error:
            self._remove()
            pytest.skip(f"there are no networks of one's own here: {error.stderr}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._remove()

    def connect(self, port: int) -> socket.socket:
        """Return a connection from the namespace to a port of ours."""
        with self.entered():
            return socket.create_connection((self.here, port), 20)

    def lose(self, packets: Lost) -> None:
        """Start to drop packets silently."""
        for chain in packets.value:
            self._filter("--append", chain, "--jump", "DROP")

    def arrive(self) -> None:
        """Stop dropping packets."""
        self._filter("--flush")

    def _filter(self, *words: str) -> None:
        _run("/usr/sbin/ip", "netns", "exec", self._name, "/usr/sbin/iptables", "--wait", *words)

    def _remove(self) -> None:
        _run("/usr/sbin/ip", "netns", "delete", self._name)
        subprocess.run(["/usr/sbin/ip", "link", "delete", self._link], capture_output=True, check=False)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Move this thread into the namespace; a socket stays in the namespace where it was created."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self._name}", os.O_RDONLY)
        try:
            _set_namespace(there)
            yield
        finally:
            _set_namespace(here)
            os.close(here)
            os.close(there)


def _set_namespace(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), "setns")


def _dotted(address: int) -> str:
    return socket.inet_ntoa(address.to_bytes(4, "big"))


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)
