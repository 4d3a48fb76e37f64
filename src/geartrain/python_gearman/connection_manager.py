# SPDX-License-Identifier: MIT
"""The base class of clients, workers and administrators: servers, data encoders, and waiting for sockets."""

import logging
import selectors
from collections.abc import Iterable
from typing import Any, TypeAlias

from geartrain.python_gearman import errors
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.python_gearman.job import GearmanJob, GearmanJobRequest
from geartrain.python_gearman.util import disambiguate_server_parameter
from geartrain.transport import Waker

__all__ = ["DataEncoder", "GearmanConnectionManager", "Host", "NoopEncoder"]

# A server: "host:port", ("host", port), or a dictionary with the files for an encrypted connection.
Host: TypeAlias = str | tuple[str, int | str] | dict[str, Any]

_SSL_KEYS = ("host", "port", "keyfile", "certfile", "ca_certs")

_logger = logging.getLogger("geartrain.python_gearman")


class DataEncoder:
    """The encoding of the data of jobs. A subclass becomes the ``data_encoder`` of a client or worker class."""

    @classmethod
    def encode(cls, encodable_object: Any) -> str | bytes:
        """Return the bytes, or text that travels as UTF-8, for a value."""
        raise NotImplementedError

    @classmethod
    def decode(cls, decodable_string: bytes) -> Any:
        """Return the value for bytes."""
        raise NotImplementedError


class NoopEncoder(DataEncoder):
    """The encoder for data that is bytes already; text travels as UTF-8, and ``None`` as no bytes."""

    @classmethod
    def encode(cls, encodable_object: Any) -> str | bytes:
        """Return bytes and text unchanged.

        Raises:
            TypeError: The data is neither.
        """
        if encodable_object is None:
            return b""
        if not isinstance(encodable_object, str | bytes):
            raise TypeError(f"without a data_encoder, data is str or bytes, not {type(encodable_object).__name__}")
        return encodable_object

    @classmethod
    def decode(cls, decodable_string: bytes) -> Any:
        """Return the bytes unchanged."""
        return decodable_string


class GearmanConnectionManager:
    """Connections to a number of servers.

    Args:
        host_list: The servers: strings ``"host:port"``, tuples ``("host", port)``, or dictionaries with the keys
            ``host``, ``port``, ``keyfile``, ``certfile`` and ``ca_certs`` for encrypted connections.

    Attributes:
        connection_list: A `GearmanConnection` for each server.

    Raises:
        GearmanError: A server is written in another way.
    """

    connection_class = GearmanConnection
    job_class = GearmanJob
    job_request_class = GearmanJobRequest
    data_encoder: type[DataEncoder] | DataEncoder = NoopEncoder

    def __init__(self, host_list: Iterable[Host] | None = None) -> None:
        if isinstance(host_list, str | bytes):
            raise errors.GearmanError(f"servers are given as a list, such as [{host_list!r}], not as {host_list!r}")
        self.connection_list: list[GearmanConnection] = []
        for element in host_list or []:
            if isinstance(element, dict):
                if missing := [key for key in _SSL_KEYS if key not in element]:
                    raise errors.GearmanError(f"an encrypted server needs {', '.join(_SSL_KEYS)}; {missing} is missing")
                self.add_ssl_connection(*(element[key] for key in _SSL_KEYS))
            elif isinstance(element, str | tuple):
                self.add_connection(element)
            else:
                raise errors.GearmanError(f"a server is a str, a tuple or a dict, not {element!r}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} connection_list={self.connection_list!r}>"

    def add_connection(self, hostport_tuple: str | tuple[str, int | str]) -> GearmanConnection:
        """Add a server; it is connected to when it is needed."""
        host, port = disambiguate_server_parameter(hostport_tuple)
        connection = self.connection_class(host=host, port=port)
        self.connection_list.append(connection)
        return connection

    def add_ssl_connection(
        self, host: str, port: int | None, keyfile: str, certfile: str, ca_certs: str
    ) -> GearmanConnection:
        """Add a server whose connection is encrypted."""
        connection = self.connection_class(host=host, port=port, keyfile=keyfile, certfile=certfile, ca_certs=ca_certs)
        self.connection_list.append(connection)
        return connection

    def establish_connection(self, current_connection: GearmanConnection) -> GearmanConnection:
        """Connect to a server unless it is connected.

        Raises:
            ConnectionError: It cannot be reached.
        """
        self._check_interrupted(current_connection)
        if not current_connection.connected:
            self._lost(current_connection)  # if it was closed behind our back
            current_connection.is_changing = True
            current_connection.connect()
            self._connected(current_connection)
            current_connection.is_changing = False
        return current_connection

    def shutdown(self) -> None:
        """Close all connections."""
        for connection in self.connection_list:
            connection.close()
            self._lost(connection)

    def on_gearman_error(self, error_code: str, error_text: str) -> bool:
        """Handle an ERROR packet from a server; may be overridden."""
        _logger.error("a server sent the error %s: %s", error_code, error_text)
        return False

    # Overridden by clients and workers

    def _connected(self, connection: GearmanConnection) -> None:
        """Start a session on a new connection."""

    def _lost(self, connection: GearmanConnection) -> None:
        """Drop the session of a lost connection, if there is one."""

    def _received(self, connection: GearmanConnection, data: bytes) -> None:
        """Process bytes from a server, and clear `is_changing` once the session agrees with them."""

    def _take_outgoing(self, connection: GearmanConnection) -> bytes:
        """Return the bytes to send to a server."""
        return b""

    # Waiting

    def _living(self) -> list[GearmanConnection]:
        return [connection for connection in self.connection_list if connection.connected]

    def _poll(self, timeout: float | None, waker: Waker | None = None) -> bool:
        """Wait until sockets are ready, send and receive, and return True if any socket was.

        Args:
            timeout: Seconds to wait; ``None`` for no limit.
            waker: Ends the wait early when it is woken.
        """
        for connection in self.connection_list:
            self._flush(connection)
        with selectors.DefaultSelector() as selector:
            if waker is not None:
                selector.register(waker, selectors.EVENT_READ)
            for connection in self._living():
                writes = selectors.EVENT_WRITE if connection.writable() else 0
                selector.register(connection, selectors.EVENT_READ | writes, connection)
            ready = [(key.data, events) for key, events in selector.select(timeout) if key.data is not None]
        for connection, events in ready:
            if events & selectors.EVENT_WRITE:
                self._flush(connection)
            if events & selectors.EVENT_READ:
                self._read(connection)
        return bool(ready)

    def _flush(self, connection: GearmanConnection) -> int:
        self._check_interrupted(connection)
        if not connection.connected:
            self._lost(connection)
            return 0
        connection.is_changing = True
        try:
            connection.write(self._take_outgoing(connection))
            sent = connection.flush()
        except errors.ConnectionError:
            self._lost(connection)
            return 0
        connection.is_changing = False
        return sent

    def _read(self, connection: GearmanConnection) -> None:
        self._check_interrupted(connection)
        if not connection.connected:
            return
        connection.is_changing = True
        try:
            data = connection.read()
        except errors.ConnectionError:
            self._lost(connection)
            return
        if data:
            self._received(connection, data)
        else:
            connection.is_changing = False

    def _check_interrupted(self, connection: GearmanConnection) -> None:
        """Give up a connection that a signal handler interrupted."""
        if connection.is_changing:
            self._drop(connection, "a signal handler raised while the connection was used")

    def _drop(self, connection: GearmanConnection, reason: str) -> None:
        """Close a connection that cannot be used any more although it is not lost."""
        connection.give_up(reason)
        self._lost(connection)
