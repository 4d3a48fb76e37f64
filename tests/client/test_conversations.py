# SPDX-License-Identifier: MIT
"""Clients of both shells against servers that do as they are told."""

import itertools
import os
import threading
import time
from collections.abc import Iterator

import pytest

from geartrain import (
    JSON,
    CodecError,
    ConnectionLost,
    Data,
    EventsLost,
    Handle,
    JobException,
    JobFailed,
    JobRequest,
    JobStatus,
    JobTimeout,
    NoServerAvailable,
    NotAllSubmitted,
    Priority,
    Progress,
    ReplyTimeout,
    ServerError,
    SubmittedJob,
    Warn,
)
from geartrain.protocol import Command
from tests.client.peers import PATIENCE, ScriptedServer, ServedClient, repeat_until_answered
from tests.client.scripts import hold, ignore, ignore_after_a_ping, refusing, serve, take_and_vanish, vanish
from tests.client.shells import Shell
from tests.job_servers import free_port
from tests.waiting import wait_until


class TestOneJob:
    def test_do_returns_the_result(self, shell: Shell) -> None:
        with ScriptedServer(serve) as server, shell.client(server.address) as client:
            assert client.do("reverse", "olleH") == b"Hello"

    def test_submit_is_a_future(self, shell: Shell) -> None:
        with ScriptedServer(serve) as server, shell.client(server.address) as client:
            job = client.submit("reverse", b"ba", unique="u")
            called = threading.Event()
            job.add_done_callback(lambda _: called.set())

            assert job.result(PATIENCE) == b"ab"
            assert job.exception() is None
            assert job.done()
            assert not job.cancel()
            assert called.wait(PATIENCE)
            assert (job.function, job.unique, job.handle) == ("reverse", "u", Handle("H:s:1", server.address))
            assert repr(job).endswith("SubmittedJob reverse H:s:1: done>")

    def test_a_failure_is_raised(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_FAIL, b"H:1\0")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            job = client.submit("f")
            with pytest.raises(JobFailed, match="job H:1 failed"):
                job.result(PATIENCE)
            assert isinstance(job.exception(), JobFailed)
            assert (job.status.state, job.status.reason) == ("failed", "job H:1 failed")
            with pytest.raises(JobFailed):
                list(job)

    def test_a_refusal_hits_the_right_job_and_leaves_the_connection(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            for number in (1, 2, 3):
                peer.expect(Command.SUBMIT_JOB)
                if number == 2:
                    peer.send(Command.ERROR, b"QUEUE_ERROR", b"Job queue is full")
                else:
                    peer.send(Command.JOB_CREATED, b"H:%d" % number)
            peer.send(Command.WORK_COMPLETE, b"H:3", b"three")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"one")
            serve(peer)

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            one, two, three = client.submit_many([JobRequest("f")] * 3)

            assert (one.result(PATIENCE), three.result(PATIENCE)) == (b"one", b"three")
            with pytest.raises(ServerError, match="QUEUE_ERROR: Job queue is full") as caught:
                two.result(PATIENCE)
            assert caught.value.code == "QUEUE_ERROR"
            assert client.do("f", "ab") == b"ba"
            assert server.accepted == 1

    def test_the_prefix_and_the_client_id_travel(self, shell: Shell) -> None:
        seen = []

        def script(peer: ServedClient) -> None:
            seen.append(peer.expect(Command.SUBMIT_JOB_HIGH_BG)[0])
            seen.extend(arguments[0] for _, arguments in peer.greeting)
            peer.send(Command.JOB_CREATED, b"H:1")

        with ScriptedServer(script) as server, shell.client(server.address, prefix="p\t", client_id="me") as client:
            client.submit_background("f", priority=Priority.HIGH)
        assert seen == [b"p\tf", b"me", b"exceptions", b"exception-details"]

    def test_a_delayed_job_travels_with_its_time(self, shell: Shell) -> None:
        seen = []
        options: list[bytes] = []

        def script(peer: ServedClient) -> None:
            for _ in range(2):
                seen.append(int(peer.expect(Command.SUBMIT_JOB_EPOCH)[2]))
                peer.send(Command.JOB_CREATED, b"H:1")
            options.extend(arguments[0] for _, arguments in peer.greeting)

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            client.submit_background("f", at=1_900_000_000)
            before = time.time()
            client.submit_background("f", delay=3600.25, priority=Priority.LOW)

            assert seen[0] == 1_900_000_000
            assert before + 3600.25 <= seen[1] <= time.time() + 3601.25
        assert options == [b"exceptions", b"exception-details", b"delayed-job=+3600250,low"]

    def test_another_server_gets_the_next_second_of_a_delayed_job(self, shell: Shell) -> None:
        seen = []
        options: list[bytes] = []

        def script(peer: ServedClient) -> None:
            peer.knows_options = False
            for _ in range(2):
                seen.append(int(peer.expect(Command.SUBMIT_JOB_EPOCH)[2]))
                peer.send(Command.JOB_CREATED, b"H:1")
            options.extend(arguments[0] for _, arguments in peer.greeting)

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            client.submit_background("f", at=1_900_000_000.25)
            client.submit_background("f", at=1_900_000_001.25, priority=Priority.HIGH)

        assert seen == [1_900_000_001, 1_900_000_002]
        assert options == [b"exceptions", b"exception-details", b"delayed-job=1900000000250,normal"], (
            "once for each connection"
        )

    def test_nonsense_is_refused_before_any_server_is_asked(self, shell: Shell) -> None:
        with refusing() as address, shell.client(address) as client:
            with pytest.raises(TypeError, match=r"retries.*resubmits="):
                client.do("f", retries=1)  # type: ignore[arg-type]  # the old name
            with pytest.raises(TypeError, match=r"retries.*resubmits="):
                client.submit("f", retries=1)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"unexpected keyword argument 'unknown'$"):
                client.do("f", unknown=1)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="resubmits is 0 or more, not -1"):
                client.do("f", resubmits=-1)
            with pytest.raises(TypeError, match="resubmits is a whole number, not 'twice'"):
                client.submit_many([JobRequest("f", resubmits="twice")])  # type: ignore[arg-type]  # that is the point
            for seconds in (-1, float("nan")):
                for call in (client.do, client.submit_background):
                    with pytest.raises(ValueError, match=f"0 or more, or None for no limit, not {seconds}"):
                        call("f", timeout=seconds)
                with pytest.raises(ValueError, match=f"not {seconds}"):
                    client.submit_background_many([JobRequest("f")], timeout=seconds)
            with pytest.raises(TypeError, match="timeout is a number of seconds, or None for no limit, not 'soon'"):
                client.do("f", timeout="soon")  # type: ignore[arg-type]  # that is the point
            with pytest.raises(ValueError, match="a time zone has a name such as Europe/Berlin, not 'Berlin!'"):
                client.submit_background("f", cron="@daily", timezone="Berlin!")
            with pytest.raises(ValueError, match=r"a time zone \(timezone=\) is that of a cron line"):
                client.submit_background("f", delay=1, timezone="Europe/Berlin")
            with pytest.raises(ValueError, match="either a handle or a unique"):
                client.status()
            with pytest.raises(ValueError, match="max_in_flight"):
                client.map("f", [], max_in_flight=0)
            for calls in (client.map, client.map_unordered):
                with pytest.raises(ValueError, match="not -1"):
                    calls("f", [], timeout=-1)
            with pytest.raises(ValueError, match="not -1"):
                client.map_reduce("f", "g", [], timeout=-1)


class TestManyInTheBackground:
    def test_have_handles_in_order(self, shell: Shell) -> None:
        with ScriptedServer(serve) as server, shell.client(server.address) as client:
            handles = client.submit_background_many(JobRequest("f", str(number)) for number in range(1000))

            assert handles == [Handle(f"H:s:{number}", server.address) for number in range(1, 1001)]
            assert client.submit_background_many([]) == []

    def test_that_are_rejected_are_distinguished_from_the_others(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            for number in (1, 2, 3):
                peer.expect(Command.SUBMIT_JOB_BG)
                if number == 2:
                    peer.send(Command.ERROR, b"QUEUE_ERROR", b"Job queue is full")
                else:
                    peer.send(Command.JOB_CREATED, b"H:%d" % number)
            peer.wait_until_gone()

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            with pytest.raises(NotAllSubmitted, match=r"1 of 3 jobs .* QUEUE_ERROR: Job queue is full") as caught:
                client.submit_background_many([JobRequest("f")] * 3)

            first, second, third = caught.value.outcomes
            assert (first, third) == (Handle("H:1", server.address), Handle("H:3", server.address))
            assert isinstance(second, ServerError)

    def test_go_to_the_next_server_if_one_vanishes(self, shell: Shell) -> None:
        with (
            ScriptedServer(vanish) as first,
            ScriptedServer(serve) as second,
            shell.client([first.address, second.address]) as client,
        ):
            handles = client.submit_background_many([JobRequest("f")] * 10)

            assert {handle.server for handle in handles} == {second.address}

    def test_have_a_time_out(self, shell: Shell) -> None:
        with (
            ScriptedServer(ignore_after_a_ping) as server,
            shell.client(server.address) as client,
        ):
            client.ping()  # now it is connected
            with pytest.raises(NotAllSubmitted) as caught:
                client.submit_background_many([JobRequest("f")] * 2, timeout=0.05)
        assert all(isinstance(outcome, ReplyTimeout) for outcome in caught.value.outcomes)


class TestCodecs:
    def test_work_in_both_directions(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            assert peer.expect_job(b"H:1") == b'{"a":[1,2]}'
            peer.send(Command.WORK_DATA, b"H:1", b'"part"')
            peer.send(Command.WORK_WARNING, b"H:1", b"as it is")
            peer.send(Command.WORK_COMPLETE, b"H:1", b'{"b":null}')
            assert peer.expect_job(b"H:2") == b""  # left out
            peer.send(Command.WORK_COMPLETE, b"H:2", b"[]")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, shell.client(server.address, codec=JSON) as client:
            job = client.submit("f", {"a": [1, 2]})  # type: ignore[arg-type]  # the shell's clients are typed as bytes

            assert list(job) == [Data("part"), Warn(b"as it is")]
            assert job.result(PATIENCE) == {"b": None}  # type: ignore[comparison-overlap]
            assert job.result() is job.result()
            assert client.do("f") == []  # type: ignore[comparison-overlap]

    def test_say_what_they_cannot_read(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_DATA, b"H:1", b"<part>")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"<result>")
            serve(peer)

        with ScriptedServer(script) as server, shell.client(server.address, codec=JSON) as client:
            job = client.submit("f")

            with pytest.raises(CodecError, match="<result>"):
                job.result(PATIENCE)
            assert isinstance(job.exception(), CodecError)
            with pytest.raises(CodecError, match="<part>"):
                list(job)
            assert client.do("reverse", 12) == 21  # type: ignore[comparison-overlap,arg-type]

    def test_refuse_what_cannot_travel_before_anything_is_sent(self, shell: Shell) -> None:
        with refusing() as address:
            with shell.client(address, codec=JSON) as client, pytest.raises(TypeError):
                client.submit("f", object())  # type: ignore[arg-type]
            with shell.client(address) as client, pytest.raises(TypeError, match="is str or bytes, not int"):
                client.do("f", 3)  # type: ignore[arg-type]


class TestOutages:
    def test_are_logged_once_when_they_begin_and_once_when_they_end(
        self, shell: Shell, caplog: pytest.LogCaptureFixture
    ) -> None:
        def lines() -> list[tuple[str, str]]:
            told = [(record.levelname, record.getMessage()) for record in caplog.records]
            caplog.clear()
            return told

        caplog.set_level("INFO", "geartrain.client")
        port = free_port()
        with shell.client(f"127.0.0.1:{port}") as client:
            for _ in range(3):
                with pytest.raises(NoServerAvailable):
                    client.do("f")
            assert lines() == [("WARNING", f"127.0.0.1:{port}: Connection refused")]

            with ScriptedServer(serve, port=port) as server:
                for _ in range(3):
                    assert client.do("reverse", "ab") == b"ba"
                assert lines() == [("INFO", f"127.0.0.1:{port} answers again")]
                server.stop_listening()
                server.disconnect()
                with pytest.raises(NoServerAvailable):
                    client.do("f")
                [(level, line)] = lines()
                assert level == "WARNING"
                assert line.startswith((f"127.0.0.1:{port} closed", f"the connection to 127.0.0.1:{port} was lost"))
        assert lines() == []  # closing a client is no outage


class TestTimeouts:
    def test_a_job_that_takes_too_long_leaves_nothing_behind(self, shell: Shell) -> None:
        late = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.send(Command.ECHO_RES, *peer.expect(Command.ECHO_REQ))
            peer.expect_job(b"H:1")
            assert late.wait(PATIENCE)
            peer.send(Command.WORK_DATA, b"H:1", b"x")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"x")
            serve(peer)

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            client.ping()  # now it is connected
            with pytest.raises(JobTimeout) as caught:
                client.do("f", timeout=0.05)
            late.set()

            assert isinstance(caught.value, TimeoutError)
            assert client.do("reverse", "ab") == b"ba"

    def test_a_submitted_job_can_be_waited_for_again(self, shell: Shell) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_DATA, b"H:1", b"x")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"y")

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            job = client.submit("f")
            for impatient in (lambda: job.result(0), lambda: job.exception(0), lambda: next(job.events(0))):
                with pytest.raises(JobTimeout):
                    impatient()
            go.set()

            assert job.result(PATIENCE) == b"y"
            assert list(job) == [Data(b"x")]

    def test_a_silent_server_is_given_up(self, shell: Shell) -> None:
        with ScriptedServer(ignore) as server, shell.client(server.address, reply_timeout=0.02) as client:
            with pytest.raises(ConnectionLost, match=r"has not answered for 0\.02 seconds"):
                client.do("f")
            with pytest.raises((ReplyTimeout, ConnectionLost)):
                client.ping()

    def test_the_next_server_gets_what_a_silent_one_did_not_take(
        self, shell: Shell, caplog: pytest.LogCaptureFixture
    ) -> None:
        with (
            ScriptedServer(ignore) as silent,
            ScriptedServer(serve) as server,
            shell.client([silent.address, server.address], reply_timeout=0.2) as client,
        ):

            def use() -> Handle:
                assert client.do("reverse", "ab", timeout=PATIENCE) == b"ba"
                return client.submit_background("f")

            def is_slow() -> bool:
                return f"{server.address} has not answered" in caplog.text

            assert repeat_until_answered(use, is_slow).server == server.address

    def test_a_server_that_takes_jobs_may_be_silent(self, shell: Shell) -> None:
        answer = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert answer.wait(PATIENCE)
            peer.send(Command.WORK_COMPLETE, b"H:1", b"late")

        def accepted() -> SubmittedJob:
            job = client.submit("f")
            wait_until(lambda: job.handle is not None or job.done())
            if job.handle is None:
                job.result()
            return job

        with ScriptedServer(script) as server, shell.client(server.address, reply_timeout=0.2) as client:
            job = repeat_until_answered(accepted, lambda: True)
            with pytest.raises(JobTimeout):
                job.result(0.5)
            answer.set()

            assert job.result(PATIENCE) == b"late"

    def test_as_completed_does_not_wait_longer(self, shell: Shell) -> None:
        with ScriptedServer(hold) as server, shell.client(server.address) as client, pytest.raises(JobTimeout):
            list(shell.as_completed([client.submit("f")], timeout=0.01))


class TestStreams:
    def talk(self, peer: ServedClient) -> None:
        peer.expect_job(b"H:1")
        peer.send(Command.WORK_DATA, b"H:1", b"part")
        peer.send(Command.WORK_WARNING, b"H:1", b"careful")
        peer.send(Command.WORK_STATUS, b"H:1", b"1", b"0")
        peer.send(Command.WORK_COMPLETE, b"H:1", b"end")
        peer.wait_until_gone()

    def test_events_come_in_order_and_then_the_result(self, shell: Shell) -> None:
        with ScriptedServer(self.talk) as server, shell.client(server.address) as client:
            job = client.submit("talk")

            assert list(job) == [Data(b"part"), Warn(b"careful"), Progress(1, 0)]
            assert job.result() == b"end"
            assert job.status == JobStatus(numerator=1, outcome="completed")
            assert job.status.state == "completed"
            assert job.status.fraction == 0.0
            assert job.status.progress is None
            assert list(job) == []

    def test_events_are_kept_until_they_are_read(self, shell: Shell) -> None:
        with ScriptedServer(self.talk) as server, shell.client(server.address) as client:
            job = client.submit("talk")
            job.result(PATIENCE)

            assert len(list(job)) == 3

    def test_each_of_two_readers_gets_all_events(self, shell: Shell) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_DATA, b"H:1", b"1")
            peer.send(Command.WORK_DATA, b"H:1", b"2")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_DATA, b"H:1", b"3")
            peer.send(Command.WORK_DATA, b"H:1", b"4")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"end")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            job = client.submit("f")
            first, second = iter(job), iter(job)
            assert [next(first), next(first)] == [Data(b"1"), Data(b"2")]
            go.set()
            assert next(first) == Data(b"3")

            # It begins here, perhaps before the fourth event is there.
            assert list(second) in ([Data(b"4")], [])
            assert list(first) == [Data(b"4")]

    def test_a_reader_goes_on_where_the_last_one_stopped(self, shell: Shell) -> None:
        with ScriptedServer(self.talk) as server, shell.client(server.address) as client:
            job = client.submit("talk")
            first = job.events(PATIENCE)
            assert next(first) == Data(b"part")
            first.close()

            assert list(job) == [Warn(b"careful"), Progress(1, 0)]

    def test_a_timeout_of_the_events_names_the_job(self, shell: Shell) -> None:
        with ScriptedServer(hold) as server, shell.client(server.address) as client:
            job = client.submit("f")
            said = r"^(the job H:h:1 of f did not end|no server accepted the job of f) within 0.01 seconds$"
            with pytest.raises(JobTimeout, match=said):
                list(job.events(0.01))

    def test_a_timeout_of_the_result_names_the_seconds_that_were_given(self, shell: Shell) -> None:
        """Some of them are over when the wait begins."""
        with (
            ScriptedServer(hold) as server,
            shell.client(server.address) as client,
        ):
            client.ping()  # now it is connected
            with pytest.raises(JobTimeout, match=r" within 0.01 seconds$"):
                client.do("f", timeout=0.01)

    def test_each_wait_raises_its_own_error(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_EXCEPTION, b"H:1", b"ValueError: no")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            job = client.submit("f")
            errors = []
            for _ in range(2):
                with pytest.raises(JobException, match="ValueError: no") as raised:
                    job.result(PATIENCE)
                errors.append(raised.value)

            assert errors[0] is not errors[1]
            assert [(error.data, error.handle) for error in errors] == [(b"ValueError: no", "H:1")] * 2

    def test_a_status_is_the_last_report(self, shell: Shell) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_STATUS, b"H:1", b"1", b"4")
            assert go.wait(PATIENCE)

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            job = client.submit("f")
            assert next(iter(job)) == Progress(1, 4)

            assert job.status == JobStatus(known=True, running=True, numerator=1, denominator=4)
            assert job.status.fraction == 0.25
            progress = job.status.progress
            assert progress is not None
            assert (progress.done, progress.total, job.status.state) == (1, 4, "running")
            assert repr(job).endswith("SubmittedJob f H:1: running>")
            go.set()

    def test_unread_events_have_a_limit(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            for _ in range(3):
                peer.send(Command.WORK_DATA, b"H:1", b"x" * 4000)
            peer.send(Command.WORK_COMPLETE, b"H:1", b"end")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, shell.client(server.address, max_unread=10_000) as client:
            job = client.submit("f")

            assert job.result(PATIENCE) == b"end"
            with pytest.raises(EventsLost, match="more than 10000 bytes"):
                list(job)


class TestLoss:
    def test_a_job_that_was_not_taken_goes_to_the_next_server(self, shell: Shell) -> None:
        with (
            ScriptedServer(vanish) as first,
            ScriptedServer(serve) as second,
            shell.client([first.address, second.address]) as client,
        ):
            job = client.submit("reverse", "ab")

            assert job.result(PATIENCE) == b"ba"
            assert job.handle is not None
            assert job.handle.server == second.address

    def test_a_job_that_was_taken_is_lost(self, shell: Shell) -> None:
        with (
            ScriptedServer(take_and_vanish) as first,
            ScriptedServer(serve) as second,
            shell.client([first.address, second.address]) as client,
        ):
            with pytest.raises(ConnectionLost, match="closed the connection") as caught:
                client.do("reverse", "ab")
            assert isinstance(caught.value, ConnectionError)
            assert client.do("reverse", "ab") == b"ba"

    def test_unless_it_may_be_run_again(self, shell: Shell) -> None:
        with (
            ScriptedServer(take_and_vanish) as first,
            ScriptedServer(serve) as second,
            shell.client([first.address, second.address]) as client,
        ):
            assert client.do("reverse", "ab", resubmits=1) == b"ba"

    def test_retries_have_an_end(self, shell: Shell) -> None:
        with ScriptedServer(take_and_vanish) as server, shell.client(server.address) as client:
            with pytest.raises(ConnectionLost):
                client.do("f", resubmits=2)
            assert server.accepted == 3

    def test_a_job_that_kills_its_servers_does_not_go_round_for_ever(self, shell: Shell) -> None:
        with (
            ScriptedServer(vanish) as first,
            ScriptedServer(vanish) as second,
            shell.client([first.address, second.address]) as client,
        ):
            with pytest.raises(ConnectionLost):
                client.do("f")
            assert first.accepted + second.accepted == 3

    def test_servers_that_are_down_are_passed_over(self, shell: Shell) -> None:
        with refusing() as down, ScriptedServer(serve) as server, shell.client([down, server.address]) as client:
            assert client.do("reverse", "ab") == b"ba"
            assert client.submit_background("f").server == server.address
            assert client.ping() > 0.0
            assert client.status("H:1") == JobStatus()

    def test_no_server_at_all_says_why_for_each(self, shell: Shell) -> None:
        with refusing() as first, refusing() as second, shell.client([first, second]) as client:
            job = client.submit("f")
            with pytest.raises(NoServerAvailable) as caught:
                job.result(PATIENCE)
            assert f"{first}: Connection refused" in str(caught.value)
            assert f"{second}: Connection refused" in str(caught.value)
            for ask in (lambda: client.do("f"), client.ping, lambda: client.status(unique="u")):
                with pytest.raises(NoServerAvailable):
                    ask()

    def test_a_restarted_server_is_found_at_once(self, shell: Shell) -> None:
        with ScriptedServer(serve) as server, shell.client(server.address) as client:
            client.do("reverse", "ab")
            server.disconnect()

            assert client.do("reverse", "ab") == b"ba"
            assert client.ping() > 0.0
            assert server.accepted == 2

    def test_a_server_that_talks_nonsense_is_left(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            peer.packet()
            peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.wait_until_gone()

        with (
            ScriptedServer(script) as server,
            shell.client(server.address) as client,
            pytest.raises(ConnectionLost, match="does not speak Gearman"),
        ):
            client.do("f")

    def test_closing_ends_everything_that_waits(self, shell: Shell) -> None:
        with ScriptedServer(hold) as server:
            client = shell.client(server.address)
            job = client.submit("f")
            waiter = threading.Thread(target=client.close)
            waiter.start()

            with pytest.raises(ConnectionLost, match="the client was closed"):
                job.result(PATIENCE)
            waiter.join()
            client.close()
            with pytest.raises(ConnectionLost, match="the client is closed"):
                client.submit("f")
            assert repr(client).endswith(f"Client {server.address} (closed)>")

    def test_all_jobs_get_the_error(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            for number in range(200):
                peer.expect_job(b"H:%d" % number)

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            jobs = client.submit_many([JobRequest("f")] * 200)

            assert all(isinstance(job.exception(), ConnectionLost) for job in shell.as_completed(jobs, PATIENCE))

    def test_a_huge_workload_goes_through_while_others_are_served(self, shell: Shell) -> None:
        huge = os.urandom(1 << 20) * 24

        with ScriptedServer(serve) as server, shell.client(server.address) as client:
            job = client.submit("reverse", huge)
            assert client.do("reverse", "ab", timeout=PATIENCE) == b"ba"

            assert job.result(PATIENCE) == huge[::-1]


class TestMap:
    def test_is_lazy_in_order_and_bounded(self, shell: Shell) -> None:
        taken = 0

        def endless() -> Iterator[bytes]:
            nonlocal taken
            for number in itertools.count():
                taken += 1
                yield b"%06d" % number

        with ScriptedServer(serve) as server, shell.client(server.address) as client:
            results = client.map("reverse", endless(), max_in_flight=50)
            assert taken == 0

            for number, result in enumerate(itertools.islice(results, 2000)):
                assert result[::-1] == b"%06d" % number
                assert taken <= number + 50
            results.close()  # type: ignore[attr-defined]  # a generator is an iterator with more
            client.do("reverse")  # is behind all that were under way
            assert "0 pending, 0 running" in repr(client)

    def test_of_nothing_is_nothing(self, shell: Shell) -> None:
        with refusing() as address, shell.client(address) as client:
            assert list(client.map("f", [])) == []

    def test_ends_with_the_first_error(self, shell: Shell) -> None:
        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"one")
            peer.expect_job(b"H:2")
            peer.send(Command.WORK_FAIL, b"H:2")
            peer.wait_until_gone()

        with ScriptedServer(script) as server, shell.client(server.address) as client:
            results = client.map("f", "abc")

            assert next(results) == b"one"
            with pytest.raises(JobFailed):
                next(results)
            assert list(results) == []


def test_equal_uniques_meet_on_one_server_and_are_one_job(shell: Shell) -> None:
    def script(peer: ServedClient) -> None:
        for _ in range(2):
            peer.expect_job(b"H:1")
        for command, *arguments in ((Command.WORK_DATA, b"H:1", b"d"), (Command.WORK_COMPLETE, b"H:1", b"r")):
            for _ in range(2):
                peer.send(command, *arguments)
        peer.wait_until_gone()

    with (
        ScriptedServer(script) as first,
        ScriptedServer(script) as second,
        shell.client([first.address, second.address], balance="random") as client,
    ):
        jobs = [client.submit("f", unique="same") for _ in range(2)]

        assert [list(job) for job in jobs] == [[Data(b"d")]] * 2
        assert [job.result(PATIENCE) for job in jobs] == [b"r", b"r"]
        assert first.accepted + second.accepted == 1
