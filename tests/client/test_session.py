# SPDX-License-Identifier: MIT
"""One connection's conversation, in packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.client.events import Answered, Completed, Created, Failed, SessionEvent
from geartrain.client.request import start_of, submission
from geartrain.client.session import Session
from geartrain.errors import JobException, JobFailed, RemoteProtocolError, ServerError
from geartrain.protocol import REQUEST, Command, request, response
from geartrain.records import Data, Handle, JobRequest, JobStatus, Priority, Progress, Warn
from geartrain.testing.clock import FakeClock
from tests.packets import Packets

JOB = submission(JobRequest("f", "w"))
BACKGROUND = submission(JobRequest("f", "w"), background=True)
DELAYED = submission(JobRequest("f", "w", "u", Priority.HIGH), start=start_of(None, 0.25, 1000.0))
H1 = Handle("H:1", "a:4730")


class Talk:
    """A session whose tickets are names, and whose server is a list of packets."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.session: Session[str] = Session("a:4730", self.clock.monotonic)

    def submit(self, *tickets: str) -> None:
        for ticket in tickets:
            self.session.submit(JOB, ticket)

    def hear(self, command: Command, *arguments: bytes) -> list[tuple[str, SessionEvent]]:
        return list(self.session.receive(response(command, *arguments)))

    def running(self, *tickets: str, handle: bytes = b"H:1") -> None:
        """Submit jobs that all get one handle."""
        self.submit(*tickets)
        for _ in tickets:
            self.hear(Command.JOB_CREATED, handle)


@pytest.fixture
def talk() -> Talk:
    return Talk()


class TestWhatIsSent:
    def test_a_greeting_asks_for_exceptions(self, talk: Talk) -> None:
        assert talk.session.greet() == request(Command.OPTION_REQ, b"exceptions")

    def test_a_greeting_says_who_we_are(self, talk: Talk) -> None:
        packets = list(Packets(REQUEST).receive(talk.session.greet(b"me-1")))

        assert packets == [(Command.SET_CLIENT_ID, [b"me-1"]), (Command.OPTION_REQ, [b"exceptions"])]

    def test_a_greeting_shows_a_token_before_all_else(self, talk: Talk) -> None:
        packets = list(Packets(REQUEST).receive(talk.session.greet(b"me-1", b"n" * 16)))

        assert packets == [
            (Command.OPTION_REQ, [b"token=nnnnnnnnnnnnnnnn"]),
            (Command.SET_CLIENT_ID, [b"me-1"]),
            (Command.OPTION_REQ, [b"exceptions"]),
        ]

    def test_questions_are_packets(self, talk: Talk) -> None:
        assert talk.session.submit(JOB, "a") == JOB.packet
        assert talk.session.ask_status(b"H:1", "b") == request(Command.GET_STATUS, b"H:1")
        assert talk.session.ask_unique(b"u", "c") == request(Command.GET_STATUS_UNIQUE, b"u")
        assert talk.session.echo(b"x\0", "d") == request(Command.ECHO_REQ, b"x\0")


class TestJobOptions:
    """The OPTION_REQ in front of a delayed job, which only Geartrain's server knows."""

    OPTION = request(Command.OPTION_REQ, b"delayed-job=+250,high")

    def submit(self, talk: Talk, ticket: str) -> bytes:
        return talk.session.submit(DELAYED, ticket)

    def test_it_goes_ahead_of_the_job(self, talk: Talk) -> None:
        assert self.submit(talk, "a") == self.OPTION + DELAYED.packet

        assert talk.hear(Command.OPTION_RES, b"delayed-job=+250,high") == []
        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]
        assert self.submit(talk, "b") == self.OPTION + DELAYED.packet

    def test_a_server_that_rejects_it_does_not_get_another(self, talk: Talk) -> None:
        self.submit(talk, "a")
        assert talk.hear(Command.ERROR, b"UNKNOWN_OPTION", b"Server does not recognize given option") == []
        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]

        assert self.submit(talk, "b") == DELAYED.packet
        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("b", Created(H1))]

    def test_neither_does_one_that_ignores_options(self, talk: Talk) -> None:
        self.submit(talk, "a")
        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]

        assert self.submit(talk, "b") == DELAYED.packet

    def test_an_error_of_the_job_is_not_one_of_the_option(self, talk: Talk) -> None:
        self.submit(talk, "a")
        talk.hear(Command.OPTION_RES, b"delayed-job=+250,high")
        [(ticket, event)] = talk.hear(Command.ERROR, b"QUEUE_ERROR", b"full")

        assert (ticket, type(event)) == ("a", Failed)
        assert self.submit(talk, "b") == self.OPTION + DELAYED.packet

    def test_an_error_of_the_greeting_says_nothing_about_it(self, talk: Talk) -> None:
        talk.session.greet(token=b"n" * 16)
        talk.hear(Command.ERROR, b"UNKNOWN_OPTION", b"")

        assert self.submit(talk, "a") == self.OPTION + DELAYED.packet


class TestToken:
    @pytest.fixture(autouse=True)
    def _greeted(self, talk: Talk) -> None:
        talk.session.greet(token=b"n" * 16)
        talk.submit("a")

    def created(self, talk: Talk) -> None:
        """See that the answers that follow find their questions."""
        talk.hear(Command.OPTION_RES, b"exceptions")
        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]

    def test_one_that_is_accepted_is_no_news(self, talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
        assert talk.hear(Command.OPTION_RES, b"token") == []
        self.created(talk)
        assert caplog.text == ""

    def test_a_server_that_does_not_accept_it_is_warned_of(self, talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
        assert talk.hear(Command.ERROR, b"WRONG_TOKEN", b"no") == []
        self.created(talk)
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("WARNING", "a:4730 does not accept our token: WRONG_TOKEN: no")
        ]

    def test_a_server_without_tokens_does_not_need_it(self, talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
        assert talk.hear(Command.ERROR, b"UNKNOWN_OPTION", b"Server does not recognize given option") == []
        self.created(talk)
        assert caplog.text == ""


class TestOrder:
    """Answers carry no name: they belong to the questions in order."""

    def test_each_submission_gets_its_handle(self, talk: Talk) -> None:
        talk.submit("a", "b")

        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]
        assert talk.hear(Command.JOB_CREATED, b"H:2") == [("b", Created(Handle("H:2", "a:4730")))]

    def test_an_error_ends_the_submission_whose_turn_it_is(self, talk: Talk) -> None:
        talk.submit("a", "b", "c")
        talk.hear(Command.JOB_CREATED, b"H:1")

        [(ticket, event)] = talk.hear(Command.ERROR, b"QUEUE_ERROR", b"Job queue is full")

        assert ticket == "b"
        assert isinstance(event, Failed)
        assert isinstance(event.error, ServerError)
        assert (event.error.code, event.error.text) == ("QUEUE_ERROR", "Job queue is full")
        assert talk.hear(Command.JOB_CREATED, b"H:3") == [("c", Created(Handle("H:3", "a:4730")))]

    def test_all_kinds_of_questions_stand_in_one_line(self, talk: Talk) -> None:
        talk.session.greet()
        talk.session.echo(b"x", "echo")
        talk.submit("job")
        talk.session.ask_status(b"H:9", "status")
        talk.session.ask_unique(b"u", "unique")

        assert talk.hear(Command.OPTION_RES, b"exceptions") == []
        assert talk.hear(Command.ECHO_RES, b"x") == [("echo", Answered(b"x"))]
        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("job", Created(H1))]
        assert talk.hear(Command.STATUS_RES, b"H:9", b"1", b"1", b"3", b"4") == [
            ("status", Answered(JobStatus(known=True, running=True, numerator=3, denominator=4)))
        ]
        assert talk.hear(Command.STATUS_RES_UNIQUE, b"u", b"0", b"0", b"0", b"0", b"2") == [
            ("unique", Answered(JobStatus(waiting_clients=2)))
        ]

    def test_events_of_running_jobs_come_in_between(self, talk: Talk) -> None:
        talk.running("a")
        talk.submit("b")

        assert talk.hear(Command.WORK_COMPLETE, b"H:1", b"r") == [("a", Completed(b"r"))]
        assert talk.hear(Command.JOB_CREATED, b"H:2") == [("b", Created(Handle("H:2", "a:4730")))]

    def test_a_server_that_refuses_the_option_is_still_a_server(self, talk: Talk) -> None:
        talk.session.greet()
        talk.submit("a")

        assert talk.hear(Command.ERROR, b"UNKNOWN_OPTION", b"") == []
        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]

    def test_so_is_one_that_ignores_it(self, talk: Talk) -> None:
        talk.session.greet()
        talk.submit("a")

        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]

    @pytest.mark.parametrize(
        ("command", "arguments"),
        [
            (Command.ECHO_RES, [b"x"]),
            (Command.STATUS_RES, [b"H:1", b"0", b"0", b"0", b"0"]),
            (Command.STATUS_RES_UNIQUE, [b"u", b"0", b"0", b"0", b"0", b"0"]),
            (Command.OPTION_RES, [b"exceptions"]),
        ],
    )
    def test_an_answer_to_another_question_is_an_error(
        self, talk: Talk, command: Command, arguments: list[bytes]
    ) -> None:
        talk.submit("a")

        with pytest.raises(RemoteProtocolError, match=f"sent {command.name} instead of JOB_CREATED"):
            talk.hear(command, *arguments)

    @pytest.mark.parametrize("command", [Command.JOB_CREATED, Command.ECHO_RES, Command.OPTION_RES])
    def test_an_answer_to_no_question_is_an_error(self, talk: Talk, command: Command) -> None:
        with pytest.raises(RemoteProtocolError, match="which answers no request"):
            talk.hear(command, b"x")

    def test_an_unexpected_error_is_raised_with_its_text(self, talk: Talk) -> None:
        with pytest.raises(RemoteProtocolError, match="GOING: away"):
            talk.hear(Command.ERROR, b"GOING", b"away")


class TestEvents:
    def test_reach_the_job_by_its_handle(self, talk: Talk) -> None:
        talk.running("a")
        talk.running("b", handle=b"H:2")

        assert talk.hear(Command.WORK_DATA, b"H:2", b"x\0y") == [("b", Data(b"x\0y"))]
        assert talk.hear(Command.WORK_WARNING, b"H:1", b"w") == [("a", Warn(b"w"))]
        assert talk.hear(Command.WORK_STATUS, b"H:2", b"1", b"2") == [("b", Progress(1, 2))]

    @pytest.mark.parametrize(
        ("numerator", "denominator", "progress"),
        [
            (b"1", b"0", Progress(1, 0)),
            (b"", b"", Progress(0, 0)),
            (b"abc", b"-5", Progress(0, -5)),
            (b" 7x", b"1.9", Progress(7, 1)),
            (b"9" * 10_000, b"1", Progress(10**18 - 1, 1)),
        ],
    )
    def test_progress_may_be_any_text(
        self, talk: Talk, numerator: bytes, denominator: bytes, progress: Progress
    ) -> None:
        talk.running("a")

        assert talk.hear(Command.WORK_STATUS, b"H:1", numerator, denominator) == [("a", progress)]
        assert progress.fraction is not None

    def test_a_result_is_the_last(self, talk: Talk) -> None:
        talk.running("a")

        assert talk.hear(Command.WORK_COMPLETE, b"H:1", b"") == [("a", Completed(b""))]
        assert talk.hear(Command.WORK_DATA, b"H:1", b"late") == []
        assert talk.hear(Command.WORK_COMPLETE, b"H:1", b"twice") == []

    @pytest.mark.parametrize("handle", [b"H:1", b"H:1\0"], ids=["plain", "as the C server has it"])
    def test_a_failure_ends_the_job(self, talk: Talk, handle: bytes) -> None:
        talk.running("a")

        [(ticket, event)] = talk.hear(Command.WORK_FAIL, handle)

        assert ticket == "a"
        assert isinstance(event, Failed)
        assert isinstance(event.error, JobFailed)
        assert event.error.handle == "H:1"

    def test_an_exception_ends_the_job_and_its_failure_is_dropped(self, talk: Talk) -> None:
        talk.running("a")

        [(ticket, event)] = talk.hear(Command.WORK_EXCEPTION, b"H:1", b"b\xc3\xb6se\xff")

        assert ticket == "a"
        assert isinstance(event, Failed)
        assert isinstance(event.error, JobException)
        assert (event.error.text, event.error.data) == ("böse\ufffd", b"b\xc3\xb6se\xff")
        assert talk.hear(Command.WORK_FAIL, b"H:1") == []

    def test_of_background_jobs_are_not_waited_for(self, talk: Talk) -> None:
        talk.session.submit(BACKGROUND, "a")

        assert talk.hear(Command.JOB_CREATED, b"H:1") == [("a", Created(H1))]
        assert talk.hear(Command.WORK_COMPLETE, b"H:1", b"r") == []
        assert list(talk.session.abandon()) == []

    def test_of_unknown_jobs_are_dropped(self, talk: Talk) -> None:
        assert talk.hear(Command.WORK_DATA, b"H:7", b"x") == []

    def test_for_workers_are_not_for_clients(self, talk: Talk) -> None:
        assert talk.hear(Command.NOOP) == []
        with pytest.raises(RemoteProtocolError, match="sent JOB_ASSIGN, which is not for clients"):
            talk.hear(Command.JOB_ASSIGN, b"H:1", b"f", b"")

    def test_that_are_none_are_quoted(self, talk: Talk) -> None:
        with pytest.raises(RemoteProtocolError, match=r"does not speak Gearman: it sent b'HTTP/1.1 400'"):
            list(talk.session.receive(b"HTTP/1.1 400\r\n"))

    def test_before_an_error_count(self, talk: Talk) -> None:
        talk.running("a")
        happened = []

        with pytest.raises(RemoteProtocolError):  # noqa: PT012 - what the generator gave before is the point
            for event in talk.session.receive(response(Command.WORK_COMPLETE, b"H:1", b"r") + b"\0BAD" + bytes(8)):
                happened.append(event)  # noqa: PERF402 - the loop raises

        assert happened == [("a", Completed(b"r"))]


class TestCoalescing:
    """Jobs with one unique share a handle, and the server sends every packet once for each (protocol 1.8)."""

    def test_the_copies_are_dealt_out(self, talk: Talk) -> None:
        talk.running("a", "b")

        dealt = [talk.hear(Command.WORK_DATA, b"H:1", data) for data in (b"1", b"1", b"2", b"2")]

        assert dealt == [[("a", Data(b"1"))], [("b", Data(b"1"))], [("a", Data(b"2"))], [("b", Data(b"2"))]]

    def test_one_that_joins_later_gets_what_comes_later(self, talk: Talk) -> None:
        talk.running("a")
        talk.hear(Command.WORK_DATA, b"H:1", b"1")
        talk.running("b")

        dealt = [talk.hear(Command.WORK_DATA, b"H:1", b"2") for _ in range(2)]

        assert dealt == [[("a", Data(b"2"))], [("b", Data(b"2"))]]

    def test_all_end_exactly_once(self, talk: Talk) -> None:
        talk.running("a", "b", "c")

        ends = [talk.hear(Command.WORK_COMPLETE, b"H:1", b"r") for _ in range(3)]

        assert ends == [[("a", Completed(b"r")), ("b", Completed(b"r")), ("c", Completed(b"r"))], [], []]

    def test_one_that_is_forgotten_keeps_its_turn(self, talk: Talk) -> None:
        talk.running("a", "b")
        talk.session.forget("a", H1)

        assert talk.hear(Command.WORK_DATA, b"H:1", b"1") == []
        assert talk.hear(Command.WORK_DATA, b"H:1", b"1") == [("b", Data(b"1"))]
        assert talk.hear(Command.WORK_COMPLETE, b"H:1", b"r") == [("b", Completed(b"r"))]


class TestForgetting:
    def test_a_job_that_has_no_handle_yet(self, talk: Talk) -> None:
        talk.submit("a", "b")
        talk.session.forget("a", None)

        assert talk.hear(Command.JOB_CREATED, b"H:1") == []
        assert talk.hear(Command.JOB_CREATED, b"H:2") == [("b", Created(Handle("H:2", "a:4730")))]
        assert talk.hear(Command.WORK_COMPLETE, b"H:1", b"r") == []
        assert list(talk.session.abandon()) == [("b", True)]

    def test_a_job_whose_handle_its_ticket_does_not_know_yet(self, talk: Talk) -> None:
        talk.running("a")
        talk.session.forget("a", None)

        assert talk.hear(Command.WORK_COMPLETE, b"H:1", b"r") == []

    def test_a_question(self, talk: Talk) -> None:
        talk.session.echo(b"x", "a")
        talk.session.forget("a", None)

        assert talk.hear(Command.ECHO_RES, b"x") == []


def test_abandoning_names_all_who_wait_and_what_was_taken(talk: Talk) -> None:
    talk.session.greet()
    talk.hear(Command.OPTION_RES, b"exceptions")
    talk.running("a", "b")
    talk.submit("c")
    talk.session.echo(b"x", "d")

    assert list(talk.session.abandon()) == [("c", False), ("d", False), ("a", True), ("b", True)]
    assert list(talk.session.abandon()) == []


class TestSilence:
    def test_is_fine_as_long_as_nothing_is_asked(self, talk: Talk) -> None:
        talk.running("a")
        talk.clock.advance(1000.0)

        assert not talk.session.is_silent(30.0)

    def test_counts_from_the_question(self, talk: Talk) -> None:
        talk.clock.advance(1000.0)
        talk.submit("a")
        talk.clock.advance(30.0)
        assert not talk.session.is_silent(30.0)

        talk.submit("b")
        talk.clock.advance(0.1)
        assert talk.session.is_silent(30.0)

    @pytest.mark.parametrize("way", ["in", "out"])
    def test_is_broken_by_a_byte_in_either_direction(self, talk: Talk, way: str) -> None:
        talk.submit("a")
        talk.clock.advance(29.0)
        if way == "in":
            assert list(talk.session.receive(b"\0")) == []
        else:
            talk.session.sent()
        talk.clock.advance(29.0)

        assert not talk.session.is_silent(30.0)

    def test_ends_with_the_answer(self, talk: Talk) -> None:
        talk.running("a")
        talk.clock.advance(1000.0)

        assert not talk.session.is_silent(30.0)
        assert talk.session.has_heard


@given(cuts=st.lists(st.integers(1, 40), max_size=60))
def test_pieces_make_no_difference(cuts: list[int]) -> None:
    """However the bytes are cut, the same events come for the same tickets."""
    data = b"".join(
        [
            response(Command.OPTION_RES, b"exceptions"),
            response(Command.JOB_CREATED, b"H:1"),
            response(Command.JOB_CREATED, b"H:1"),
            response(Command.WORK_DATA, b"H:1", b"\0" * 50),
            response(Command.WORK_DATA, b"H:1", b"\0" * 50),
            response(Command.ERROR, b"QUEUE_ERROR", b"full"),
            response(Command.WORK_STATUS, b"H:1", b"1", b"2"),
            response(Command.WORK_COMPLETE, b"H:1", b"r"),
            response(Command.WORK_COMPLETE, b"H:1", b"r"),
        ]
    )
    talk = Talk()
    talk.session.greet()
    talk.submit("a", "b", "c")

    happened = []
    for cut in [*cuts, len(data)]:
        happened += [(ticket, type(event)) for ticket, event in talk.session.receive(data[:cut])]
        data = data[cut:]

    assert happened == [
        ("a", Created),
        ("b", Created),
        ("a", Data),
        ("b", Data),
        ("c", Failed),
        ("a", Progress),
        ("a", Completed),
        ("b", Completed),
    ]
