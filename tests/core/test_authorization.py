# SPDX-License-Identifier: MIT
"""Authorization: the effect of rules on packets and text commands, tokens, and changes of rules."""

import dataclasses
import logging

import pytest

from geartrain.core import JobServerOptions, Who
from geartrain.core.access import ADMIN, SUBMIT, WORK, AccessRules, Rule, digest_of
from geartrain.core.authorization import for_display
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

TOKEN = b"tlhIngan-Hol-vIjatlh"
OTHER = b"nuqneH-nuqneH-nuqneH"
CRON = (b"*", b"*", b"*", b"*", b"*")
FAR = "192.0.2.7"


def guarded(*rules: Rule, **options: object) -> Wire:
    return Wire(JobServerOptions(access=AccessRules(rules), **options))  # type: ignore[arg-type]


def change(wire: Wire, *rules: Rule, **options: object) -> None:
    """Replace the rules; without any, there are no restrictions."""
    access = AccessRules(rules) if rules else None
    wire.server.change_options(JobServerOptions(access=access, **options))  # type: ignore[arg-type]


def may_not(what: str) -> tuple[Command, bytes, bytes]:
    return Command.ERROR, b"NOT_ALLOWED", f"This connection may not {what}".encode()


SUBMISSIONS = [
    (Command.SUBMIT_JOB, (b"f", b"", b"")),
    (Command.SUBMIT_JOB_BG, (b"f", b"", b"")),
    (Command.SUBMIT_JOB_HIGH, (b"f", b"", b"")),
    (Command.SUBMIT_JOB_HIGH_BG, (b"f", b"", b"")),
    (Command.SUBMIT_JOB_LOW, (b"f", b"", b"")),
    (Command.SUBMIT_JOB_LOW_BG, (b"f", b"", b"")),
    (Command.SUBMIT_JOB_EPOCH, (b"f", b"", b"0", b"")),
    (Command.SUBMIT_JOB_SCHED, (b"f", b"", *CRON, b"")),
    (Command.SUBMIT_REDUCE_JOB, (b"f", b"", b"r", b"", b"")),
    (Command.SUBMIT_REDUCE_JOB_BACKGROUND, (b"f", b"", b"r", b"", b"")),
]


class TestSubmitting:
    @pytest.mark.parametrize(("command", "arguments"), SUBMISSIONS)
    def test_needs_the_right_to_submit(self, command: Command, arguments: tuple[bytes, ...]) -> None:
        wire = guarded(Rule(rights=WORK | ADMIN), Rule(rights=SUBMIT, functions=(b"g", b"r")))

        assert wire.connect().ask(command, *arguments) == may_not("submit jobs of f")
        assert wire.connect().say("status") == ".\n", "no job was created"

    @pytest.mark.parametrize(("command", "arguments"), SUBMISSIONS)
    def test_is_accepted_with_the_right(self, command: Command, arguments: tuple[bytes, ...]) -> None:
        wire = guarded(Rule(rights=SUBMIT, functions=(b"f", b"r")))

        assert wire.connect().ask(command, *arguments)[0] is Command.JOB_CREATED

    @pytest.mark.parametrize("command", [Command.SUBMIT_REDUCE_JOB, Command.SUBMIT_REDUCE_JOB_BACKGROUND])
    def test_needs_the_right_for_the_reducer_too(self, command: Command) -> None:
        """A worker submits the parts, and may have a right that its client does not have."""
        wire = guarded(Rule(rights=SUBMIT, functions=(b"f",)))

        assert wire.connect().ask(command, b"f", b"", b"r", b"", b"") == may_not("submit jobs of r")

    def test_waits_for_restored_jobs_too(self) -> None:
        wire = guarded(Rule(rights=SUBMIT, functions=(b"f",)))
        wire.server.begin_restoring(0)
        client, stranger = wire.connect(), wire.connect()
        client.send(Command.SUBMIT_JOB, b"f", b"", b"")
        stranger.send(Command.SUBMIT_JOB, b"g", b"", b"")
        change(wire, Rule(rights=SUBMIT, functions=(b"g",)))
        assert client.packets() == stranger.packets() == []

        wire.server.end_restoring()

        assert client.packets() == [may_not("submit jobs of f")]
        assert [packet[0] for packet in stranger.packets()] == [Command.JOB_CREATED]

    def test_a_name_cannot_break_the_error(self) -> None:
        reply = guarded(Rule(rights=WORK)).connect().ask(Command.SUBMIT_JOB, b"a\n" + b"x" * 8000, b"", b"")

        assert reply == may_not("submit jobs of a\\x0a" + "x" * 98)


class TestWorking:
    @pytest.mark.parametrize(
        ("command", "arguments"), [(Command.CAN_DO, (b"f",)), (Command.CAN_DO_TIMEOUT, (b"f", b"1000"))]
    )
    def test_needs_the_right_to_work(self, command: Command, arguments: tuple[bytes, ...]) -> None:
        wire = guarded(Rule(rights=SUBMIT), Rule(rights=WORK, functions=(b"g",)))
        worker = wire.connect()
        wire.connect().submit(b"f")

        assert worker.ask(command, *arguments) == may_not("work on f")
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        assert wire.connect().say("workers").splitlines()[0] == "0 127.0.0.1 - :"

    def test_other_functions_of_the_worker_are_served(self) -> None:
        wire = guarded(Rule(rights=SUBMIT), Rule(rights=WORK, functions=(b"g",)))
        worker = wire.connect()
        for name in (b"f", b"g"):
            worker.send(Command.CAN_DO, name)
            wire.connect().submit(name)
        worker.packets()

        # The clients wait, so both jobs are there.
        assert worker.ask(Command.GRAB_JOB)[2] == b"g"
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)


class TestQuestions:
    def test_a_status_is_only_shown_to_peers_with_a_right_to_the_function(self) -> None:
        wire = guarded(
            Rule(rights=SUBMIT, local=True),
            Rule(rights=WORK, functions=(b"f",), certificates=(b"worker",)),
            Rule(rights=SUBMIT, functions=(b"g",)),
        )
        client, worker = wire.connect(), wire.connect(FAR, local=False, certificate=[b"worker"])
        stranger = wire.connect(FAR, local=False)
        handle = client.submit(b"f", b"u")
        schedule = client.ask(Command.SUBMIT_JOB_SCHED, b"f", b"v", *CRON, b"")[1]
        assert isinstance(schedule, bytes)
        wire.advance(0)  # the check of a cron line uses up a turn

        for question, name in ((Command.GET_STATUS, handle), (Command.GET_STATUS, schedule)):
            assert client.ask(question, name)[2] == worker.ask(question, name)[2] == b"1"
            assert stranger.ask(question, name) == (Command.STATUS_RES, name, b"0", b"0", b"0", b"0")
        assert worker.ask(Command.GET_STATUS_UNIQUE, b"u")[2] == b"1"
        answer = (Command.STATUS_RES_UNIQUE, b"u", b"0", b"0", b"0", b"0", b"0")
        assert stranger.ask(Command.GET_STATUS_UNIQUE, b"u") == answer

    def test_an_echo_needs_no_right(self) -> None:
        wire = guarded(Rule(rights=SUBMIT, local=True))

        assert wire.connect(FAR, local=False).ask(Command.ECHO_REQ, b"x") == (Command.ECHO_RES, b"x")


def show(peer: WirePeer, token: bytes) -> tuple[Command | bytes, ...]:
    return peer.ask(Command.OPTION_REQ, b"token=" + token)


WRONG = (Command.ERROR, b"WRONG_TOKEN", b"The server does not know this token")
TAKEN = (Command.OPTION_RES, b"token")


class TestTokens:
    RULE = Rule(rights=SUBMIT | WORK | ADMIN, tokens=(digest_of(TOKEN),))

    def test_a_token_gives_rights(self) -> None:
        peer = guarded(self.RULE).connect()
        assert peer.ask(Command.SUBMIT_JOB, b"f", b"", b"") == may_not("submit jobs of f")

        assert show(peer, TOKEN) == TAKEN

        assert peer.submit(b"f")

    def test_a_token_may_end_with_a_nul_as_options_of_some_clients_do(self) -> None:
        assert show(guarded(self.RULE).connect(), TOKEN + b"\0") == TAKEN

    def test_a_token_in_a_text_command_gives_rights(self) -> None:
        peer = guarded(self.RULE).connect()
        assert peer.say("create function f").startswith("ERR NOT_ALLOWED ")

        assert peer.say(f"token {TOKEN.decode()}") == "OK\r\n"

        assert peer.say("create function f") == "OK\r\n"

    @pytest.mark.parametrize("wrong", [b"", TOKEN[:-1], TOKEN + b"x", TOKEN.upper(), OTHER])
    def test_a_wrong_token_changes_nothing(self, wrong: bytes) -> None:
        peer = guarded(self.RULE).connect()
        show(peer, TOKEN)

        assert show(peer, wrong) == WRONG

        assert peer.submit(b"f")

    def test_another_token_replaces_it(self) -> None:
        peer = guarded(self.RULE, Rule(rights=WORK, tokens=(digest_of(OTHER),))).connect()
        show(peer, TOKEN)

        assert show(peer, OTHER) == TAKEN

        assert peer.ask(Command.SUBMIT_JOB, b"f", b"", b"") == may_not("submit jobs of f")

    def test_a_peer_that_guesses_is_closed_and_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        wire = guarded(self.RULE)
        for _ in range(10):
            peer = wire.connect()
            for attempt in range(JobServerOptions().max_wrong_tokens):
                assert not peer.is_closed
                assert show(peer, b"guess %d" % attempt) == WRONG
            assert peer.is_closed
        wire.advance(10)

        assert [record.getMessage() for record in caplog.records] == [
            "GEARMAN_WRONG_TOKEN:The server does not know this token; sent to 127.0.0.1 (connection 0)",
            "GEARMAN_WRONG_TOKEN to 127.0.0.1, 29 times more within 10 seconds",
        ]

    def test_a_peer_that_guesses_in_text_is_closed_too(self, caplog: pytest.LogCaptureFixture) -> None:
        peer = guarded(self.RULE).connect()
        replies = [peer.say(f"token {number:032}") for number in range(JobServerOptions().max_wrong_tokens)]

        assert replies == ["ERR WRONG_TOKEN The+server+does+not+know+this+token\r\n"] * len(replies)
        assert peer.is_closed
        assert caplog.text.count("WRONG_TOKEN") == 1

    def test_no_token_is_ever_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        wire = guarded(self.RULE)
        peer = wire.connect()
        said = [show(peer, TOKEN), show(peer, OTHER)]
        for line in (b"token %b", b"TOKEN %b", b"token %b more", b"token", b"tokens %b", b"token=%b"):
            peer.send_bytes(line.replace(b"%b", TOKEN) + b"\n")
            said.append((peer.take_bytes(),))
        listings = [peer.say(line) for line in ("workers", "status", "show jobs", "show limits")]

        for token in (TOKEN, OTHER):
            everything = f"{said} {listings} {caplog.text} {peer.peer!r} {wire.server!r} {wire.server._options!r}"
            # The error for an unknown command has its first word, which here is the command with the token.
            assert token.decode() not in everything.replace(f"token={TOKEN.decode()}", "")

    def test_rules_without_tokens_accept_any_as_later_ones_may_know_it(self) -> None:
        """So programs can be given tokens before the server needs them."""
        for wire in (Wire(), guarded(Rule(rights=SUBMIT))):
            peer = wire.connect()
            assert show(peer, TOKEN) == TAKEN

            change(wire, self.RULE)

            assert peer.submit(b"f")
            assert wire.connect().ask(Command.SUBMIT_JOB, b"f", b"", b"") == may_not("submit jobs of f")

    def test_a_worker_may_show_its_token_after_it_registered(self) -> None:
        wire = guarded(self.RULE)
        worker, client = wire.connect(), wire.connect()
        assert worker.ask(Command.CAN_DO, b"f") == may_not("work on f")
        worker.send(Command.PRE_SLEEP)

        show(client, TOKEN)
        show(worker, TOKEN)
        client.submit(b"f")

        assert worker.packets() == [(Command.NOOP,)]


class TestChanges:
    """New rules apply to all connections, and none is dropped."""

    def test_new_rules_apply_to_connected_clients(self) -> None:
        wire = Wire()
        client = wire.connect()
        client.submit(b"f")

        change(wire, Rule(rights=SUBMIT, functions=(b"g",)))
        assert client.ask(Command.SUBMIT_JOB, b"f", b"", b"") == may_not("submit jobs of f")
        assert client.submit(b"g")
        change(wire, Rule(rights=SUBMIT, functions=(b"f",)))
        assert client.submit(b"f")
        assert client.ask(Command.SUBMIT_JOB, b"g", b"", b"") == may_not("submit jobs of g")

        change(wire)
        assert client.submit(b"g")

    def test_a_worker_loses_its_function_but_not_its_running_job(self, caplog: pytest.LogCaptureFixture) -> None:
        wire = Wire()
        client, worker = wire.connect(), wire.connect()
        for name in (b"f", b"g"):
            worker.send(Command.CAN_DO, name)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        client.submit(b"f")

        change(wire, Rule(rights=SUBMIT), Rule(rights=WORK, functions=(b"g",)))

        assert worker.packets() == [], "an error that answers nothing would confuse it"
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        assert wire.connect().say("status") == "f\t2\t1\t0\ng\t0\t0\t1\n.\n"
        worker.send(Command.WORK_COMPLETE, handle, b"result")
        assert client.packets() == [(Command.WORK_COMPLETE, handle, b"result")]
        assert "The rules deny 1 function to 1 worker" in caplog.text

    def test_a_worker_gets_its_functions_back_when_the_rules_allow_them(self) -> None:
        """It would never register again, and its queue would stall beside an idle worker."""
        wire = Wire(JobServerOptions(rearm_after=1000.0))
        client, worker, refused = wire.connect(), wire.connect(), wire.connect()
        for name in (b"f", b"g", b"h"):
            worker.send(Command.CAN_DO, name)
        worker.send(Command.PRE_SLEEP)
        change(wire, Rule(rights=SUBMIT))
        assert refused.ask(Command.CAN_DO_TIMEOUT, b"f", b"2000") == may_not("work on f")
        refused.send(Command.PRE_SLEEP)
        client.submit(b"f")
        assert worker.packets() == []

        change(wire, Rule(rights=SUBMIT), Rule(rights=WORK, functions=(b"f", b"g")))

        assert client.say("workers").splitlines()[1:3] == ["1 127.0.0.1 - : g f", "2 127.0.0.1 - : f"]
        assert (worker.packets(), refused.packets()) == ([(Command.NOOP,)], [])
        client.submit(b"f")
        assert refused.packets() == [(Command.NOOP,)]
        handle = refused.ask(Command.GRAB_JOB)[1]
        wire.advance(2)
        assert isinstance(handle, bytes)
        assert client.ask(Command.GET_STATUS, handle)[3] == b"0", "its own timeout for the job was kept"

    def test_a_worker_does_not_get_back_a_function_that_it_unregistered(self) -> None:
        wire = guarded(Rule(rights=SUBMIT))
        worker = wire.connect()
        for name in (b"f", b"g", b"h"):
            worker.send(Command.CAN_DO, name)
        worker.send(Command.CANT_DO, b"g")
        change(wire, Rule(rights=WORK, functions=(b"g", b"h")))
        assert wire.connect().say("workers").splitlines()[0] == "0 127.0.0.1 - : h"
        worker.send(Command.RESET_ABILITIES)

        change(wire)

        assert wire.connect().say("workers").splitlines()[0] == "0 127.0.0.1 - :"

    def test_the_functions_kept_for_a_peer_without_rights_are_limited(self) -> None:
        wire = guarded(Rule(rights=SUBMIT))
        worker = wire.connect()
        for number in range(1000):
            worker.send(Command.CAN_DO, b"f%d" % number)
        worker.send(Command.CAN_DO, b"f0")
        stranger = wire.connect()
        stranger.send(Command.CAN_DO, b"f" * 8001)

        assert not stranger.peer.identity.denied
        assert len(worker.peer.identity.denied) == 256

    def test_a_worker_gets_nothing_back_from_a_draining_server(self) -> None:
        wire = guarded(Rule(rights=SUBMIT))
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        client.submit(b"f", how=Command.SUBMIT_JOB_BG)
        worker.packets()

        wire.server.drain()
        change(wire)

        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)

    def test_a_limit_may_keep_a_worker_from_its_function_for_longer(self, caplog: pytest.LogCaptureFixture) -> None:
        wire = guarded(Rule(rights=SUBMIT), max_functions=1)
        worker = wire.connect()
        worker.send(Command.CAN_DO, b"f")
        wire.connect().submit(b"g")
        caplog.clear()

        change(wire, Rule(rights=WORK), max_functions=1)
        assert "may not work on f: Too many functions (limit 1)" in caplog.text
        change(wire, Rule(rights=WORK))

        assert wire.connect().say("workers").splitlines()[0] == "0 127.0.0.1 - : f"

    def test_limits_change_with_the_rules(self) -> None:
        wire = Wire()
        client = wire.connect()
        client.submit(b"f")

        change(wire, max_functions=1, max_memory=5000, max_jobs_per_connection=3)

        assert client.ask(Command.SUBMIT_JOB, b"g", b"", b"")[1] == b"QUEUE_ERROR"
        assert client.ask(Command.SUBMIT_JOB, b"f", b"", b"x" * 5000)[1] == b"QUEUE_ERROR"
        assert [client.ask(Command.SUBMIT_JOB, b"f", b"", b"")[0] for _ in range(3)] == [
            Command.JOB_CREATED,
            Command.JOB_CREATED,
            Command.ERROR,
        ]
        change(wire)
        assert client.submit(b"g")

    def test_an_idle_function_stays_idle_when_the_options_change(self) -> None:
        """Options are read again when logs are rotated each day, and two days would never be over."""
        options = JobServerOptions(function_expiry=1000.0)
        wire = Wire(options)
        wire.connect().say("create function f")
        for _ in range(12):
            wire.advance(100)
            wire.server.change_options(dataclasses.replace(options))
        wire.advance(100)

        assert wire.connect().say("status") == ".\n"

    def test_answers_about_the_server_change_too(self) -> None:
        wire = Wire()

        change(wire, verbosity="INFO")

        assert wire.connect().say("verbose") == "OK INFO\n"


CHANGES = ["create function f", "drop function f", "maxqueue f 1", "cancel job H:localhost:1", "shutdown"]
READS = ["status", "workers", "prioritystatus", "show jobs", "show unique jobs", "show stalls", "getpid", "verbose"]


class TestTextCommands:
    @pytest.mark.parametrize("line", CHANGES)
    def test_commands_that_change_something_need_the_right_to_administer(self, line: str) -> None:
        wire = guarded(Rule(rights=SUBMIT), Rule(rights=ADMIN, certificates=(b"boss",)), allow_shutdown=True)
        wire.connect().submit(b"f")
        command = "+".join(line.split()[:2]) if " " in line and not line.startswith("maxqueue") else line.split()[0]

        assert wire.connect().say(line) == f"ERR NOT_ALLOWED {command}+is+for+administrators\r\n"
        assert not wire.connect(certificate=[b"boss"]).say(line).startswith("ERR NOT_ALLOWED")

    def test_they_need_it_for_their_function(self, caplog: pytest.LogCaptureFixture) -> None:
        wire = guarded(Rule(rights=SUBMIT), Rule(rights=ADMIN, functions=(b"f*",)), allow_shutdown=True)
        peer = wire.connect()
        handles = [peer.submit(name).decode() for name in (b"f", b"g")]
        schedule = peer.ask(Command.SUBMIT_JOB_SCHED, b"g", b"u", *CRON, b"")[1]
        assert isinstance(schedule, bytes)

        assert [peer.say(line) for line in ("create function f2", "maxqueue f 1", "maxqueue f2 1")] == ["OK\r\n"] * 3
        assert peer.say(f"cancel job {handles[0]}").endswith("OK\r\n")
        refusal = "ERR NOT_ALLOWED {}+of+g+is+for+its+administrators\r\n"
        assert peer.say("create function g") == refusal.format("create+function")
        assert peer.say("maxqueue g 1") == refusal.format("maxqueue")
        assert peer.say(f"cancel job {handles[1]}") == refusal.format("cancel+job")
        assert peer.say(f"cancel job {schedule.decode()}") == refusal.format("cancel+job")
        assert peer.say("cancel job H:none:9") == "ERR UNKNOWN_JOB\r\n"
        assert peer.say("shutdown") == "ERR NOT_ALLOWED shutdown+is+for+administrators+of+all+functions\r\n"
        assert wire.server.shutdown_requested is None
        assert caplog.text.count("GEARMAN_NOT_ALLOWED:create function of g is for its administrators; sent to ") == 1

    @pytest.mark.parametrize("line", CHANGES)
    def test_they_can_be_limited_to_local_peers_with_or_without_rules(self, line: str) -> None:
        for rules in (None, AccessRules((Rule(rights=SUBMIT),))):
            wire = Wire(JobServerOptions(access=rules, text_changes=Who.LOCAL, allow_shutdown=True))
            reply = wire.connect(FAR, local=False).say(line)

            assert reply.startswith("ERR NOT_ALLOWED ")
            assert reply.endswith("+is+for+local+connections\r\n")
            assert not wire.connect().say(line).startswith("ERR NOT_ALLOWED")

    def test_they_can_be_allowed_to_all_peers_in_spite_of_rules(self) -> None:
        wire = guarded(Rule(rights=SUBMIT), text_changes=Who.ALL)

        assert wire.connect(FAR, local=False).say("create function f") == "OK\r\n"

    @pytest.mark.parametrize("line", READS)
    def test_commands_that_read_are_for_all_peers_by_default(self, line: str) -> None:
        refused = f"ERR NOT_ALLOWED {line.replace(' ', '+')}+is+for+"
        admin = Rule(rights=ADMIN, functions=(b"f",), certificates=(b"boss",))

        for wire in (Wire(), guarded(admin)):
            assert not wire.connect(FAR, local=False).say(line).startswith("ERR")
        local = Wire(JobServerOptions(text_reads=Who.LOCAL))
        assert local.connect(FAR, local=False).say(line) == refused + "local+connections\r\n"
        assert not local.connect().say(line).startswith("ERR")
        ruled = guarded(admin, text_reads=Who.ADMIN)
        assert ruled.connect().say(line) == refused + "administrators\r\n"
        assert not ruled.connect(FAR, local=False, certificate=[b"boss"]).say(line).startswith("ERR")
        assert not Wire(JobServerOptions(text_reads=Who.ADMIN)).connect().say(line).startswith("ERR")

    def test_the_version_is_a_health_check_for_all_peers(self) -> None:
        wire = guarded(Rule(rights=ADMIN, local=True), text_reads=Who.ADMIN)

        assert wire.connect(FAR, local=False).say("version") == "OK 0\n"


def test_the_losses_of_each_change_of_rules_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    workers = [wire.connect() for _ in range(2)]
    for worker in workers:
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.CAN_DO, b"g")

    for _ in range(2):
        change(wire, Rule(rights=SUBMIT))
        wire.settle()
        change(wire)
        wire.settle()

    assert caplog.messages == ["The rules deny 4 functions to 2 workers"] * 2


def test_a_name_that_is_not_utf_8_can_be_shown() -> None:
    assert for_display(b"\xff") == "\ufffd"
