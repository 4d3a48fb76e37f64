# SPDX-License-Identifier: MIT
"""The admin client of python-gearman: `geartrain.AdminClient` with replies in the published shapes."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from geartrain.admin import AdminClient
from geartrain.client import Client
from geartrain.errors import ConnectionLost, NoServerAvailable, ProtocolError, ReplyTimeout, ServerError
from geartrain.python_gearman import errors
from geartrain.python_gearman.connection_manager import GearmanConnectionManager, Host
from geartrain.python_gearman.job import Text

__all__ = ["GearmanAdminClient"]

DEFAULT_ADMIN_CLIENT_TIMEOUT = 10.0

_NO_TIMEOUT = 1_000_000.0  # seconds, eleven days; sockets do not accept much larger timeouts


class GearmanAdminClient(GearmanConnectionManager):
    """An admin client of one server. Every call connects if necessary, and waits for the answer.

    Args:
        host_list: A list with one server; see `GearmanConnectionManager`.
        poll_timeout: Seconds for each answer; ``None`` for no limit.

    Raises:
        GearmanError: There is not exactly one server.
    """

    def __init__(
        self, host_list: Iterable[Host] | None = None, poll_timeout: float | None = DEFAULT_ADMIN_CLIENT_TIMEOUT
    ) -> None:
        super().__init__(host_list=host_list)
        if len(self.connection_list) != 1:
            raise errors.GearmanError(f"an admin client has one server, not {len(self.connection_list)}")
        self.poll_timeout = poll_timeout
        self.current_connection = self.connection_list[0]
        address, tls = self.current_connection.address, self.current_connection.context
        self._timeout = _NO_TIMEOUT if poll_timeout is None else poll_timeout
        self._admin = AdminClient(address, tls=tls, timeout=self._timeout)

    def __del__(self) -> None:
        if hasattr(self, "_admin"):
            self._admin.close()  # old programs never do

    def shutdown(self) -> None:
        """Close the connection; the next call opens another."""
        self._admin.close()

    def ping_server(self) -> float:
        """Return the seconds that an echo takes.

        Raises:
            ServerUnavailable: The server cannot be reached, or the connection was lost; the same for all other calls.
            InvalidAdminClientState: The server did not answer in time; the same for all other calls.
        """
        connection = self.current_connection
        with (
            _translated(),
            Client([connection.address], tls=connection.context, reply_timeout=self._timeout) as client,
        ):
            return client.ping()

    def get_version(self) -> str:
        """Return the server's version."""
        with _translated():
            return self._admin.version()

    def get_pid(self) -> str:
        """Return the server's process id, as text."""
        with _translated():
            return str(self._admin.pid())

    def get_status(self) -> tuple[dict[str, Any], ...]:
        """Return ``task``, ``queued``, ``running`` and ``workers`` for each task; running jobs count as queued."""
        with _translated():
            return tuple(
                {"task": row.function, "queued": row.total, "running": row.running, "workers": row.workers}
                for row in self._admin.status()
            )

    def get_workers(self) -> tuple[dict[str, Any], ...]:
        """Return ``file_descriptor``, ``ip``, ``client_id`` and ``tasks`` for each connection."""
        with _translated():
            return tuple(
                {
                    "file_descriptor": str(row.descriptor),
                    "ip": row.address,
                    "client_id": row.client_id,
                    "tasks": row.functions,
                }
                for row in self._admin.workers()
            )

    def get_jobs(self) -> tuple[dict[str, Any], ...]:
        """Return ``handle``, ``queued``, ``canceled`` and ``enabled`` for each job.

        The published library has these names. They are the number of retries, a flag for jobs that will not run any
        more, and one for jobs that survive a restart of the server.
        """
        with _translated():
            return tuple(
                {"handle": row.handle, "queued": row.retries, "canceled": int(row.ignored), "enabled": int(row.stored)}
                for row in self._admin.jobs()
            )

    def get_unique_jobs(self) -> tuple[dict[str, Any], ...]:
        """Return ``unique`` for each job, as a list of one."""
        with _translated():
            return tuple({"unique": [unique]} for unique in self._admin.unique_jobs())

    def cancel_job(self, handle: Text) -> str:
        """Cancel a waiting job; return ``OK``, or the server's error."""
        with _translated():
            try:
                self._admin.cancel(_text(handle))
            except ServerError as error:
                return f"ERR {error.code} {error.text}"
        return "OK"

    def send_maxqueue(self, task: Text, max_size: int) -> str:
        """Limit how many jobs of a task may wait, and return ``OK``.

        Raises:
            ProtocolError: The server rejects the limit.
        """
        with _translated():
            self._admin.set_max_queue(_text(task), int(max_size))
        return "OK"

    def send_shutdown(self, graceful: bool = True) -> None:
        """Stop the server; with ``graceful`` it finishes its jobs first."""
        with _translated():
            self._admin.shutdown(graceful=graceful)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (NoServerAvailable, ConnectionLost) as error:
        raise errors.ServerUnavailable(str(error)) from error
    except ReplyTimeout as error:
        raise errors.InvalidAdminClientState(str(error)) from error
    except (ProtocolError, ServerError) as error:
        raise errors.ProtocolError(str(error)) from error


def _text(name: Text) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
