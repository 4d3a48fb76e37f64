# SPDX-License-Identifier: MIT
"""The server on real sockets, as its peers see it."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain.protocol import Command, Packet, request
from geartrain.protocol.packets import RESPONSE
from geartrain.reactor.connection import Connection
from geartrain.server import BindError, Endpoint, Server, ServerOptions
from geartrain.server.loop import new_event_loop
from geartrain.testing import RunningServer
from tests.packets import Packets
from tests.server.servers import RunServer


class Wire:
    """A blocking connection to a server."""

    def __init__(self, server: RunningServer) -> None:
        self.socket = socket.create_connection((server.host, server.port), 20)
        self._parser = Packets(RESPONSE, max_packet=1 << 30)
        self._packets: list[Packet] = []

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, *packets: bytes) -> None:
        self.socket.sendall(b"".join(packets))

    def receive(self) -> Packet | None:
        """Return the next packet, or None at the end of the connection."""
        while not self._packets:
            data = self.socket.recv(1 << 20)
            if not data:
                return None
            self._packets += self._parser.receive(data)
        return self._packets.pop(0)

    def ask(self, *packets: bytes) -> Packet | None:
        self.send(*packets)
        return self.receive()


@pytest.fixture
def server(run_server: RunServer) -> Iterator[RunningServer]:
    with run_server() as running:
        yield running


def wait_until_the_port_is_closed(server: RunningServer) -> None:
    while True:
        try:
            Wire(server).socket.close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it waited to be accepted


def test_a_job_goes_from_a_client_to_a_worker_and_back(server: RunningServer) -> None:
    with Wire(server) as client, Wire(server) as worker:
        created = client.ask(request(Command.SUBMIT_JOB, b"reverse", b"", b"abc"))
        assigned = worker.ask(request(Command.CAN_DO, b"reverse"), request(Command.GRAB_JOB))
        assert created is not None
        handle = created[1][0]
        worker.send(request(Command.WORK_COMPLETE, handle, b"cba"))

        assert assigned == (Command.JOB_ASSIGN, [handle, b"reverse", b"abc"])
        assert client.receive() == (Command.WORK_COMPLETE, [handle, b"cba"])


def test_pipelined_lines_are_answered_in_one_write(server: RunningServer) -> None:
    with Wire(server) as wire:
        wire.send(b"create function f\nstatus\r\nversion\nstatus\n")

        assert wire.socket.recv(65535) == b"OK\r\nf\t0\t0\t0\n.\nOK 0.1.0\nf\t0\t0\t0\n.\n"


def test_many_long_lists_at_once_do_not_delay_other_peers(server: RunningServer) -> None:
    """A thousand lists of a thousand functions once took over a second, in which no other peer was answered."""
    with Wire(server) as wire, Wire(server) as other:
        wire.send(b"".join(b"create function %d\n" % number for number in range(1000)))
        wire.send(b"status\n" * 1000)
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.socket.recv(4) == b"OK\r\n"
        assert other.ask(request(Command.ECHO_REQ, b"a")) == (Command.ECHO_RES, [b"a"])
        assert wire.socket.recv(1, socket.MSG_PEEK)
        listed = wire.socket.makefile("rb").read()

    assert listed.count(b"\n.\n") == 1000


def test_a_peer_that_shuts_down_its_side_is_answered_first(server: RunningServer) -> None:
    with Wire(server) as wire:
        wire.send(b"version\n")
        wire.socket.shutdown(socket.SHUT_WR)

        assert wire.socket.makefile("rb").read() == b"OK 0.1.0\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\0XXX" + bytes(8), b"INVALID_MAGIC"),
        (struct.pack(">4sII", b"\0REQ", 0xFFFFFFFF, 0), b"INVALID_COMMAND"),
        (struct.pack(">4sII", b"\0REQ", Command.SUBMIT_JOB, 0xFFFFFFFF), b"ARGUMENT_TOO_LARGE"),
        (struct.pack(">4sII", b"\0REQ", Command.SUBMIT_JOB, 3) + b"abc", b"INVALID_ARGUMENT"),
    ],
)
def test_invalid_input_is_answered_with_an_error_and_closed(server: RunningServer, data: bytes, code: bytes) -> None:
    with Wire(server) as wire:
        packet = wire.ask(data)

        assert packet is not None
        assert (packet[0], packet[1][0]) == (Command.ERROR, code)
        assert wire.receive() is None


def test_a_line_that_is_too_long_is_answered_in_text_and_closed(server: RunningServer) -> None:
    with Wire(server) as wire:
        wire.send(b"version\n" + b"x" * 10_000)

        answer = wire.socket.makefile("rb").read()
        assert answer.splitlines()[1:] == [b"ERR ARGUMENT_TOO_LARGE a+text+line+may+have+8192+bytes"]


def test_a_refused_peer_gets_the_error_although_it_is_still_sending(server: RunningServer) -> None:
    with Wire(server) as wire:
        wire.send(struct.pack(">4sII", b"\0REQ", Command.ECHO_REQ, 0xFFFFFFFF), bytes(8 << 20))

        packet = wire.receive()
        assert packet is not None
        assert packet[1][0] == b"ARGUMENT_TOO_LARGE"


def test_packets_before_an_invalid_one_are_handled(server: RunningServer) -> None:
    with Wire(server) as wire:
        wire.send(request(Command.ECHO_REQ, b"a"), b"\0XXX" + bytes(8), request(Command.ECHO_REQ, b"b"))

        assert wire.receive() == (Command.ECHO_RES, [b"a"])
        refusal = wire.receive()
        assert refusal is not None
        assert refusal[0] == Command.ERROR
        assert wire.receive() is None


def test_large_packets_pass(server: RunningServer) -> None:
    workload = bytes(range(256)) * (16 << 12)
    with Wire(server) as wire:
        assert wire.ask(request(Command.ECHO_REQ, workload)) == (Command.ECHO_RES, [workload])


def test_a_packet_above_the_limit_is_refused_by_its_header(run_server: RunServer) -> None:
    with run_server(max_packet_size=1000) as server, Wire(server) as wire:
        assert wire.ask(request(Command.ECHO_REQ, bytes(1000))) == (Command.ECHO_RES, [bytes(1000)])

        refusal = wire.ask(struct.pack(">4sII", b"\0REQ", Command.ECHO_REQ, 1001))
        assert refusal is not None
        assert refusal[1][0] == b"ARGUMENT_TOO_LARGE"


def test_a_client_may_submit_a_hundred_thousand_jobs_before_it_reads(server: RunningServer) -> None:
    count = 100_000
    with Wire(server) as wire:
        wire.send(*[request(Command.SUBMIT_JOB_BG, b"f", b"", b"")] * count)
        replies = [wire.receive() for _ in range(count)]

    assert [reply[0] for reply in replies if reply is not None] == [Command.JOB_CREATED] * count


def test_a_peer_that_does_not_read_is_not_read_from(server: RunningServer) -> None:
    echo = request(Command.ECHO_REQ, bytes(1 << 20))
    with Wire(server) as wire, Wire(server) as other:
        wire.socket.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                wire.socket.sendall(echo)

        assert other.ask(request(Command.ECHO_REQ, b"a")) == (Command.ECHO_RES, [b"a"])


def test_a_peer_that_reads_again_gets_everything(server: RunningServer) -> None:
    echo = request(Command.ECHO_REQ, bytes(1 << 20))
    with Wire(server) as wire:
        sender = threading.Thread(target=wire.send, args=[echo] * 40)
        sender.start()  # the server stops reading before all data is sent
        replies = [wire.receive() for _ in range(40)]
        sender.join()

    assert replies == [(Command.ECHO_RES, [bytes(1 << 20)])] * 40


def test_a_peer_that_does_not_read_its_results_is_dropped(
    caplog: pytest.LogCaptureFixture, run_server: RunServer
) -> None:
    with run_server(max_unsent=1 << 20) as server, Wire(server) as client, Wire(server) as worker:
        created = client.ask(request(Command.SUBMIT_JOB, b"f", b"", b""))
        assert created is not None
        worker.ask(request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
        while "Dropped" not in caplog.text:
            worker.send(request(Command.WORK_DATA, created[1][0], bytes(1 << 20)))
            worker.ask(request(Command.ECHO_REQ, b""))

    assert "more than 1048576 bytes wait for it" in caplog.text


def test_a_packet_for_a_thousand_submissions_is_not_copied(
    caplog: pytest.LogCaptureFixture, run_server: RunServer
) -> None:
    """The copies of a large result for a thousand submissions would exceed the memory."""
    times, size = 1000, 64 << 20
    with run_server() as server, Wire(server) as client, Wire(server) as worker:
        submission = request(Command.SUBMIT_JOB, b"f", b"u", b"")
        created = client.ask(*[submission] * times)
        assert created is not None
        worker.ask(request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
        worker.send(request(Command.WORK_COMPLETE, created[1][0], bytes(size)))

        assert worker.ask(request(Command.ECHO_REQ, b"")) == (Command.ECHO_RES, [b""])

    assert "more than 335544320 bytes wait for it" in caplog.text


def test_the_job_of_a_lost_connection_is_requeued(server: RunningServer) -> None:
    with Wire(server) as client, Wire(server) as second:
        client.ask(request(Command.SUBMIT_JOB_BG, b"f", b"", b"abc"))
        second.send(request(Command.CAN_DO, b"f"))
        with Wire(server) as first:
            assert first.ask(request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB)) is not None
            second.send(request(Command.PRE_SLEEP))
            assert second.ask(request(Command.ECHO_REQ, b"")) == (Command.ECHO_RES, [b""])

        assert second.receive() == (Command.NOOP, [])


def test_the_job_of_a_refused_worker_does_not_wait_for_its_connection_to_end(run_server: RunServer) -> None:
    with (
        run_server(linger_timeout=3600.0) as server,
        Wire(server) as client,
        Wire(server) as refused,
        Wire(server) as other,
    ):
        client.ask(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))
        refused.ask(request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
        other.ask(request(Command.CAN_DO, b"f"), request(Command.PRE_SLEEP), request(Command.ECHO_REQ, b""))

        refused.send(b"\0BAD" + bytes(8))

        assert other.receive() == (Command.NOOP, [])


def test_deadlines_are_met_without_input(run_server: RunServer) -> None:
    with run_server(rearm_after=0.05) as server, Wire(server) as client, Wire(server) as mute, Wire(server) as able:
        for worker in (mute, able):
            worker.ask(request(Command.CAN_DO, b"f"), request(Command.PRE_SLEEP), request(Command.ECHO_REQ, b""))
        client.ask(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))

        assert mute.receive() == (Command.NOOP, [])
        assert able.receive() == (Command.NOOP, [])  # as the other worker does not answer


def test_ended_connections_leave_nothing_behind(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    """The command does not collect old garbage, so connections must not be in reference cycles."""
    caplog.set_level(logging.INFO, "geartrain.server")
    gc.collect()
    gc.disable()
    try:
        with Wire(server) as other:
            other.ask(request(Command.ECHO_REQ, b""))
            before = connections()
            with Wire(server) as wire:
                wire.ask(request(Command.CAN_DO, b"f"), request(Command.ECHO_REQ, b""))
                assert connections() == before + 1
            while "Disconnected" not in caplog.text or connections() > before:
                other.ask(request(Command.ECHO_REQ, b""))
    finally:
        gc.enable()


def connections() -> int:
    """Return the number of connections of the servers of this process, including garbage."""
    return sum(type(found) is Connection for found in gc.get_objects())


def test_workers_shows_the_addresses_of_peers(run_server: RunServer) -> None:
    with run_server(listen=(Endpoint("::1"),)) as server, Wire(server) as wire:
        wire.send(b"workers\n")

        assert b" ::1 - :\n" in wire.socket.recv(65535)
        assert server.address == f"[::1]:{server.port}"


def test_a_unix_socket_works_like_a_port(tmp_path: Path, run_server: RunServer) -> None:
    path = tmp_path / "gearmand.sock"
    with run_server(listen=(Endpoint(path=str(path)),)), socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        wire.sendall(b"workers\nshutdown\n")

        assert b" unix - :\n" in wire.recv(65535)
    assert not path.exists()


def test_several_endpoints_share_a_free_port(tmp_path: Path, run_server: RunServer) -> None:
    endpoints = (Endpoint(path=str(tmp_path / "s")), Endpoint("127.0.0.1"), Endpoint("::1"))
    with run_server(listen=endpoints, port=0), run_server(port=0) as other:
        assert other.port

    with run_server(listen=()) as server:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, server.port), 20) as wire:
                wire.sendall(b"version\n")
                assert wire.recv(100) == b"OK 0.1.0\n"


def test_a_port_in_use_is_an_error(server: RunningServer, run_server: RunServer) -> None:
    with pytest.raises(BindError, match=f"127.0.0.1, port {server.port}: Address already in use"):
        run_server(port=server.port, bind_timeout=0).__enter__()


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (Endpoint("missing.invalid"), "missing.invalid, port 0: "),
        (Endpoint("a..b"), "a..b, port 0: this is not a valid host name"),
        (Endpoint("192.0.2.1", 4731), "192.0.2.1:4731: Cannot assign requested address"),
        (Endpoint(path="/missing/s"), "unix:/missing/s: No such file or directory"),
        (Endpoint(path="/" + "s" * 200), "path too long"),
    ],
)
def test_an_endpoint_that_cannot_be_bound_is_named_and_all_others_are_closed(
    endpoint: Endpoint, message: str, tmp_path: Path, run_server: RunServer
) -> None:
    with pytest.raises(BindError, match=message):
        run_server(listen=(Endpoint(path=str(tmp_path / "s")), endpoint)).__enter__()
    assert not (tmp_path / "s").exists()


def test_a_port_that_becomes_free_is_taken(caplog: pytest.LogCaptureFixture, run_server: RunServer) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        class Release(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                holder.close()

        handler = Release()
        logging.getLogger("geartrain.server").addHandler(handler)
        try:
            with run_server(port=port, bind_timeout=20.0) as server:
                assert server.port == port
        finally:
            logging.getLogger("geartrain.server").removeHandler(handler)
    assert f"127.0.0.1, port {port} is in use; trying again for 20 seconds" in caplog.text


@pytest.mark.parametrize("how", [b"shutdown", b"shutdown graceful"])
def test_a_local_peer_may_stop_the_server_if_that_is_allowed(how: bytes, run_server: RunServer) -> None:
    with run_server(allow_shutdown=True) as server, Wire(server) as wire:
        wire.send(how + b"\n")

        assert wire.socket.recv(100) == b"OK\r\n"
        assert wire.socket.recv(100) == b""


def test_a_graceful_stop_waits_for_running_jobs_and_their_clients(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "geartrain.server")
    with (
        run_server(allow_shutdown=True) as server,
        Wire(server) as client,
        Wire(server) as worker,
        Wire(server) as idle,
    ):
        client.ask(request(Command.SUBMIT_JOB, b"f", b"", b"1"))
        assigned = worker.ask(request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
        assert assigned is not None
        idle.ask(request(Command.SUBMIT_JOB, b"unknown", b"", b""))
        worker.send(b"shutdown graceful\n")
        assert worker.socket.recv(100) == b"OK\r\n"
        wait_until_the_port_is_closed(server)

        assert idle.receive() is None  # its job can be submitted to another server
        worker.send(request(Command.WORK_COMPLETE, assigned[1][0], b"done"))

        completed = client.receive()
        assert completed is not None
        assert completed[1][1] == b"done"
        assert client.receive() is None
    assert "Draining, waiting for 1 running job (f 1)" in caplog.text


def test_stopping_sends_all_data_and_does_not_wait_for_peers_that_do_not_read(run_server: RunServer) -> None:
    with contextlib.ExitStack() as running:
        server = running.enter_context(run_server())
        with Wire(server) as reader, Wire(server) as stuck:
            stuck.socket.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                stuck.send(request(Command.ECHO_REQ, bytes(12 << 20)) * 4)
            reader.send(request(Command.ECHO_REQ, bytes(12 << 20)))
            reader.socket.recv(1, socket.MSG_PEEK)
            stopped = threading.Thread(target=running.close)
            stopped.start()

            assert reader.receive() == (Command.ECHO_RES, [bytes(12 << 20)])
            stopped.join()


def test_accepted_sockets_have_nodelay_and_keepalive(run_server: RunServer) -> None:
    with run_server(keepalive_interval=7) as server, Wire(server) as wire:
        wire.send(b"workers\n")
        descriptor = int(wire.socket.recv(65535).partition(b" ")[0])
        with socket.socket(fileno=os.dup(descriptor)) as accepted:  # the server is in this process
            assert accepted.getpeername() == wire.socket.getsockname()
            seen = [
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                *(
                    accepted.getsockopt(socket.IPPROTO_TCP, name)
                    for name in (
                        socket.TCP_KEEPIDLE,
                        socket.TCP_KEEPINTVL,
                        socket.TCP_KEEPCNT,
                        socket.TCP_USER_TIMEOUT,
                    )
                ),
            ]

    assert seen == [1, 1, 60, 7, 4, 120_000]


def test_a_second_shutdown_request_does_not_wait() -> None:
    async def impatient() -> None:
        async with Server(ServerOptions(port=0)) as server:
            server.stop()
            server.stop()
            await server.serve_until_stopped()
            await server.close()

    asyncio.run(impatient())


def test_a_peer_may_hasten_a_graceful_stop() -> None:
    async def hasty() -> None:
        options = ServerOptions(port=0, listen=(Endpoint("127.0.0.1"),), allow_shutdown=True)
        async with asyncio.timeout(20), Server(options) as server:
            [address] = server.addresses
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(request(Command.SUBMIT_JOB, b"f", b"", b"") + b"status\n")
            await reader.readuntil(b".\n")
            server.stop(graceful=True)
            writer.write(b"shutdown\n")
            await server.serve_until_stopped()
            writer.close()

    asyncio.run(hasty())


def test_without_uvloop_the_standard_loop_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    loop = new_event_loop()

    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()
