# SPDX-License-Identifier: MIT
"""The text commands (protocol 2, 10)."""

import pytest

from geartrain.core import JobServerOptions, Shutdown
from geartrain.core.levels import NOTICE
from geartrain.protocol import Command
from geartrain.testing.wire import Wire
from tests.core.valve import Valve


def test_facts_about_the_server() -> None:
    peer = Wire(JobServerOptions(version="1.2.3", pid=42, verbosity="NOTICE")).connect()

    assert peer.say("version") == "OK 1.2.3\n"
    assert peer.say("getpid") == "OK 42\n"
    assert peer.say("verbose") == "OK NOTICE\n"


def test_status_counts_all_jobs_and_prioritystatus_only_those_that_wait(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    for how in (Command.SUBMIT_JOB_HIGH, Command.SUBMIT_JOB, Command.SUBMIT_JOB_LOW, Command.SUBMIT_JOB_LOW_BG):
        client.submit(b"f", how=how)
    worker.ask(Command.GRAB_JOB)

    assert client.say("status") == "f\t4\t1\t1\n.\n"
    assert client.say("prioritystatus") == "f\t0\t1\t2\t1\n.\n"


def test_workers_lists_every_connection_newest_function_first(wire: Wire) -> None:
    worker, client = wire.connect("10.0.0.7"), wire.connect("::1")
    worker.send(Command.SET_CLIENT_ID, b"MCPClient-1234")
    for function in (b"f", b"g"):
        worker.send(Command.CAN_DO, function)

    assert client.say("workers") == "0 10.0.0.7 MCPClient-1234 : g f\n1 ::1 - :\n.\n"


@pytest.mark.parametrize(
    ("client_id", "shown"), [(b"", "-"), (b"a b\nc", "a\\x20b\\x0ac"), (b"x" * 200, "x" * 127), (b"-", "-")]
)
def test_a_client_id_cannot_break_the_listing(wire: Wire, client_id: bytes, shown: str) -> None:
    peer = wire.connect()
    peer.send(Command.SET_CLIENT_ID, client_id)

    assert peer.say("workers") == f"0 127.0.0.1 {shown} :\n.\n"


def test_show_jobs_and_uniques(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"f", b"u1")
    client.submit(b"f")

    assert client.say("show jobs") == "H:localhost:1\t0\t0\t0\nH:localhost:2\t0\t0\t0\n.\n"
    assert client.say("show unique jobs") == "u1\n\n.\n"


def test_cancel_job_tells_the_clients_and_forgets_the_job(wire: Wire) -> None:
    client, admin = wire.connect(), wire.connect()
    handle = client.submit(b"f", b"u")

    assert admin.say(f"cancel job {handle.decode()}") == "OK\r\n"
    assert client.packets() == [(Command.WORK_FAIL, handle)]
    assert admin.say(f"cancel job {handle.decode()}") == "ERR UNKNOWN_JOB\r\n"
    assert admin.say("status") == "f\t0\t0\t0\n.\n"


def test_create_function(wire: Wire) -> None:
    peer = wire.connect()

    assert peer.say("create function f") == "OK\r\n"
    assert peer.say("create function f") == "OK\r\n"
    assert peer.say("status") == "f\t0\t0\t0\n.\n"


def test_drop_function(wire: Wire) -> None:
    peer, worker = wire.connect(), wire.connect()
    busy = "ERR there are still connected workers or executing clients\r\n"
    worker.send(Command.CAN_DO, b"f")

    assert peer.say("drop function f") == busy
    worker.send(Command.CANT_DO, b"f")
    assert peer.say("drop function F") == "ERR function not found\r\n"
    assert peer.say("drop function f") == "OK\r\n"
    assert peer.say("drop function f") == "ERR function not found\r\n"
    assert peer.say("status") == ".\n"


def test_limits_are_lost_with_their_function(wire: Wire) -> None:
    peer = wire.connect()
    for line in ("create function f", "maxqueue f 1", "drop function f"):
        assert peer.say(line) == "OK\r\n"
    peer.submit(b"f")

    assert peer.submit(b"f")


def test_replies_to_pipelined_commands_are_joined(wire: Wire) -> None:
    """Monitors send both lines at once and read once (protocol 10.1)."""
    peer = wire.connect()
    peer.submit(b"f")

    assert peer.say("status\nversion") == "f\t1\t0\t0\n.\nOK 0\n"


def test_text_and_packets_alternate(wire: Wire) -> None:
    peer = wire.connect()

    assert peer.say("create function f") == "OK\r\n"
    assert peer.submit(b"f") == b"H:localhost:1"
    assert peer.say("status") == "f\t1\t0\t0\n.\n"


class TestShutdown:
    ALLOWED = JobServerOptions(allow_shutdown=True)

    @pytest.mark.parametrize(("line", "how"), [("shutdown", Shutdown.NOW), ("SHUTDOWN Graceful", Shutdown.GRACEFUL)])
    def test_when_it_is_allowed(self, line: str, how: Shutdown) -> None:
        wire = Wire(self.ALLOWED)

        assert wire.server.shutdown_requested is None
        assert wire.connect().say(line) == "OK\r\n"
        assert wire.server.shutdown_requested is how

    def test_the_log_names_the_one_who_sent_it(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(NOTICE, "geartrain.server")
        wire = Wire(self.ALLOWED)

        wire.connect().say("shutdown graceful\nshutdown gently\nversion")

        assert caplog.messages == ["Shutdown requested by 127.0.0.1 (connection 0): shutdown graceful"]
        assert caplog.records[0].fields == {  # type: ignore[attr-defined]  # from the record's ``extra``
            "event": "shutdown",
            "by": "127.0.0.1 (connection 0)",
            "command": "shutdown graceful",
        }

    def test_it_is_an_unknown_command_unless_allowed(self, wire: Wire) -> None:
        for line in ("shutdown", "shutdown now", "shutdown a b"):
            assert wire.connect().say(line) == "ERR UNKNOWN_COMMAND Unknown+server+command+shutdown\r\n"
        assert wire.server.shutdown_requested is None

    def test_it_is_only_for_local_connections(self) -> None:
        wire = Wire(self.ALLOWED)

        reply = wire.connect("10.0.0.7", local=False).say("shutdown")

        assert reply == "ERR NOT_ALLOWED shutdown+is+for+local+connections\r\n"
        assert wire.server.shutdown_requested is None

    def test_a_graceful_shutdown_does_not_replace_an_immediate_one(self) -> None:
        wire = Wire(self.ALLOWED)

        wire.connect().say("shutdown\nshutdown graceful")

        assert wire.server.shutdown_requested is Shutdown.NOW

    def test_another_argument_is_refused(self) -> None:
        wire = Wire(self.ALLOWED)

        assert wire.connect().say("shutdown gently").startswith("ERR INVALID_ARGUMENTS")
        assert wire.server.shutdown_requested is None


def test_a_peer_that_leaves_does_not_end_the_list_of_workers(wire: Wire) -> None:
    admin, *others = (wire.connect() for _ in range(1_000))
    for number, peer in enumerate(others):
        peer.send(Command.SET_CLIENT_ID, b"%d" % number + b"x" * 100)
        wire.settle()
    admin.peer.outlet = Valve()
    admin.send_bytes(b"workers\n")
    assert wire.server.is_waiting(admin.peer)

    others[-2].close()
    wire.settle()

    lines = admin.take_bytes().splitlines()
    assert len(lines) == 1_000
    assert lines[-2].startswith(b"999 ")
