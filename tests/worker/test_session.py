# SPDX-License-Identifier: MIT
"""A worker's conversation, in packets."""

import pytest

from geartrain.errors import ConnectionLost, RemoteProtocolError
from geartrain.protocol import REQUEST, Command, response
from geartrain.worker.session import POLL_INTERVAL, REPLY_TIMEOUT, Assignment, ErrorPacket, State, WorkerSession
from tests.packets import Packets

JOB = Assignment(b"H:1", b"f", b"u", b"w\0w")
PacketList = list[tuple[Command, list[bytes]]]


class Talk:
    """A session, a clock, and the other end of the wire."""

    def __init__(
        self,
        *functions: tuple[bytes, int | None],
        client_id: bytes = b"",
        token: bytes = b"",
        long_poll: bool = False,
    ) -> None:
        self.now = 100.0
        self.session = WorkerSession(functions or [(b"f", None)], client_id, self.now, token=token, long_poll=long_poll)
        self._server = Packets(REQUEST)

    @classmethod
    def awake(cls, *functions: tuple[bytes, int | None]) -> "Talk":
        talk = cls(*functions)
        talk.hear(Command.ECHO_RES, b"ready?")
        talk.said()
        return talk

    @classmethod
    def busy(cls, *functions: tuple[bytes, int | None]) -> "Talk":
        talk = cls.awake(*functions)
        talk.session.grab(talk.now)
        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w")
        talk.said()
        return talk

    @classmethod
    def asleep(cls, *functions: tuple[bytes, int | None]) -> "Talk":
        talk = cls.awake(*functions)
        talk.session.grab(talk.now)
        talk.hear(Command.NO_JOB)
        talk.said()
        return talk

    def hear(self, command: Command, *arguments: bytes) -> list[Assignment | ErrorPacket]:
        return self.session.receive(response(command, *arguments), self.now)

    def said(self) -> PacketList:
        packets = self._server.receive(self.session.take_outgoing())
        return [(Command(number), arguments) for number, arguments in packets]


class TestTheBeginning:
    def test_registers_everything_and_asks_for_a_sign_of_life(self) -> None:
        talk = Talk((b"f", None), (b"g", 1500), client_id=b"me")

        assert talk.said() == [
            (Command.SET_CLIENT_ID, [b"me"]),
            (Command.CAN_DO_TIMEOUT, [b"g", b"1500"]),
            (Command.CAN_DO, [b"f"]),
            (Command.ECHO_REQ, [b"ready?"]),
        ]
        assert not talk.session.wants_job

    def test_shows_a_token_before_all_else_and_is_not_surprised_by_the_answer(self) -> None:
        talk = Talk(client_id=b"me", token=b"n" * 16)

        assert [packet[0] for packet in talk.said()] == [
            Command.OPTION_REQ,
            Command.SET_CLIENT_ID,
            Command.CAN_DO,
            Command.ECHO_REQ,
        ]
        assert talk.hear(Command.OPTION_RES, b"token") == []
        assert talk.hear(Command.ERROR, b"NOT_ALLOWED", b"no") == [ErrorPacket("NOT_ALLOWED", "no")]
        assert talk.hear(Command.ECHO_RES, b"ready?") == []
        assert talk.session.wants_job

    def test_ends_with_the_answer(self) -> None:
        talk = Talk()

        assert talk.hear(Command.ECHO_RES, b"ready?") == []
        assert talk.session.wants_job

    def test_a_silent_server_is_given_up(self) -> None:
        talk = Talk()

        talk.session.tick(talk.now + REPLY_TIMEOUT - 0.1)
        with pytest.raises(ConnectionLost, match="accepts connections"):
            talk.session.tick(talk.session.deadline)


class TestGrabbing:
    @pytest.mark.parametrize(
        ("command", "arguments", "assignment"),
        [
            (Command.JOB_ASSIGN, (b"H:1", b"f", b"w\0w"), Assignment(b"H:1", b"f", b"", b"w\0w")),
            (Command.JOB_ASSIGN_UNIQ, (b"H:1", b"f", b"u", b"w\0w"), JOB),
            (
                Command.JOB_ASSIGN_ALL,
                (b"H:1", b"f", b"u", b"r", b"w\0w"),
                Assignment(b"H:1", b"f", b"u", b"w\0w", b"r"),
            ),
        ],
    )
    @pytest.mark.parametrize("size", [1, 5, 1000])
    def test_brings_a_job(
        self, command: Command, arguments: tuple[bytes, ...], assignment: Assignment, size: int
    ) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)
        assert talk.said() == [(Command.GRAB_JOB_ALL, [])]

        data = response(command, *arguments)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]

        assert [event for piece in pieces for event in talk.session.receive(piece, talk.now)] == [assignment]
        assert talk.session.wants_job
        assert talk.session.running == {b"H:1": assignment}

    def test_nothing_leads_to_sleep(self) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)
        talk.said()

        talk.hear(Command.NO_JOB)

        assert talk.said() == [(Command.PRE_SLEEP, [])]
        assert talk.session.state is State.ASLEEP

    def test_passes_over_noops_that_cross_it(self) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)
        talk.said()

        assert talk.hear(Command.NOOP) == []
        assert talk.session.state is State.GRABBING
        assert talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w") == [JOB]

    def test_survives_an_error_about_the_job_before(self) -> None:
        """Protocol 7.3: gearmand squeezes it in before the answer."""
        talk = Talk.awake()
        talk.session.grab(talk.now)

        assert talk.hear(Command.ERROR, b"JOB_NOT_FOUND", b"too late") == [ErrorPacket("JOB_NOT_FOUND", "too late")]
        assert talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w") == [JOB]

    def test_does_not_wait_for_ever(self) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)

        with pytest.raises(ConnectionLost):
            talk.session.tick(talk.now + REPLY_TIMEOUT)


class TestGrabbingSeveral:
    """A worker with room for many jobs saves a round trip for each."""

    def test_more_is_asked_for_only_as_jobs_come(self) -> None:
        talk = Talk.awake()
        asked = []

        for number in range(4):
            while talk.session.wants_job:
                talk.session.grab(talk.now)
            asked.append(talk.session.asked)
            while talk.session.asked:
                talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:%d" % number, b"f", b"", b"")

        assert asked == [1, 1, 2, 4]

    def test_sleep_comes_when_the_last_has_found_nothing(self) -> None:
        talk = self.grabbing(3)

        talk.hear(Command.NO_JOB)
        assert talk.said() == []
        assert not talk.session.wants_job
        talk.hear(Command.NOOP)
        talk.hear(Command.NO_JOB)
        assert talk.said() == []
        talk.hear(Command.NO_JOB)
        assert talk.said() == [(Command.PRE_SLEEP, [])]
        assert talk.session.state is State.ASLEEP

    def test_a_job_that_came_between_is_a_reason_to_ask_again(self) -> None:
        talk = self.grabbing(2)

        talk.hear(Command.NO_JOB)
        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:9", b"f", b"", b"")

        assert talk.said() == []
        assert talk.session.wants_job

    def test_an_answer_gives_the_server_time_for_the_next(self) -> None:
        talk = self.grabbing(2)
        talk.now += REPLY_TIMEOUT - 1

        talk.hear(Command.NO_JOB)

        talk.session.tick(talk.now + REPLY_TIMEOUT - 1)
        with pytest.raises(ConnectionLost):
            talk.session.tick(talk.now + REPLY_TIMEOUT)

    def test_a_function_is_taken_back_when_no_job_of_it_can_be_on_its_way(self) -> None:
        talk = self.grabbing(2)
        talk.session.remove(b"f")

        talk.hear(Command.NO_JOB)
        assert talk.said() == []
        talk.hear(Command.NO_JOB)

        assert talk.said() == [(Command.PRE_SLEEP, []), (Command.CANT_DO, [b"f"])]

    def test_more_answers_than_questions_are_not_gearman(self) -> None:
        talk = self.grabbing(1)
        talk.hear(Command.NO_JOB)

        with pytest.raises(RemoteProtocolError):
            talk.hear(Command.NO_JOB)

    @staticmethod
    def grabbing(count: int) -> Talk:
        """Return a session that has had its fill of jobs, done them, and asked for some more."""
        talk = Talk.awake()
        for number in range(count):
            talk.session.grab(talk.now)
            talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:%d" % number, b"f", b"", b"")
            talk.session.finish(b"H:%d" % number)
        for _ in range(count):
            talk.session.grab(talk.now)
        talk.said()
        return talk


class TestSleep:
    def test_ends_with_a_noop(self) -> None:
        talk = Talk.asleep()

        talk.hear(Command.NOOP)

        assert talk.session.wants_job

    def test_ends_by_itself_after_a_while(self) -> None:
        talk = Talk.asleep()

        talk.session.tick(talk.now + POLL_INTERVAL - 1)
        assert not talk.session.wants_job
        talk.session.tick(talk.now + POLL_INTERVAL)
        assert talk.session.wants_job

    def test_ends_for_a_new_function_whose_jobs_may_be_waiting(self) -> None:
        talk = Talk.asleep()

        talk.session.add(b"g", None)

        assert talk.said() == [(Command.CAN_DO, [b"g"])]
        assert talk.session.wants_job

    def test_goes_on_when_nothing_is_new(self) -> None:
        """gearmand counts a worker twice that registers twice."""
        talk = Talk.asleep((b"f", 1000))

        talk.session.add(b"f", 1000)
        assert talk.said() == []
        assert talk.session.state is State.ASLEEP

        talk.session.add(b"f", None)
        assert talk.said() == [(Command.CAN_DO, [b"f"])]

    def test_comes_between_a_job_with_a_timeout_and_a_grab_that_is_not_near(self) -> None:
        """Protocol 7.4: gearmand's timer runs on after the result, and would give the job to another worker."""
        talk = Talk.busy((b"f", 1000))
        talk.session.sleep_if_timer_runs(talk.now)
        assert talk.said() == []

        talk.session.finish(b"H:1")
        talk.session.sleep_if_timer_runs(talk.now)
        assert talk.said() == [(Command.PRE_SLEEP, [])]

    def test_waits_for_the_job_that_the_timer_is_for(self) -> None:
        """gearmand has one timer, and restarts it for each job; PRE_SLEEP would stop it while that job runs."""
        talk = Talk.busy((b"f", 1000))
        talk.session.grab(talk.now)
        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:2", b"f", b"", b"")
        talk.said()

        talk.session.finish(b"H:1")
        talk.session.sleep_if_timer_runs(talk.now)
        assert talk.said() == []

        talk.session.finish(b"H:2")
        talk.session.sleep_if_timer_runs(talk.now)
        assert talk.said() == [(Command.PRE_SLEEP, [])]

    def test_is_no_use_without_a_timeout(self) -> None:
        talk = Talk.busy()

        talk.session.finish(b"H:1")
        talk.session.sleep_if_timer_runs(talk.now)

        assert talk.said() == []


class TestLongPolling:
    @pytest.fixture
    def talk(self) -> Talk:
        """A session that waits for the answer to a grab."""
        talk = Talk((b"f", None), (b"g", None), long_poll=True)
        assert talk.said()[0] == (Command.OPTION_REQ, [b"long-poll"])
        talk.hear(Command.OPTION_RES, b"long-poll")
        talk.hear(Command.ECHO_RES, b"ready?")
        talk.session.grab(talk.now)
        talk.said()
        return talk

    def test_bring_jobs_that_are_confirmed(self, talk: Talk) -> None:
        assert talk.hear(Command.NOOP) == []
        assert talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w") == [JOB]

        assert talk.said() == [(Command.ALL_YOURS, [])]
        assert talk.session.wants_job

    def test_need_no_confirmation_of_a_job_that_was_asked_for(self, talk: Talk) -> None:
        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w")

        assert talk.said() == []

    def test_end_in_sleep(self, talk: Talk) -> None:
        talk.hear(Command.NO_JOB)
        assert talk.said() == [(Command.PRE_SLEEP, [])]

        talk.hear(Command.NOOP)
        talk.session.grab(talk.now)
        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w")

        assert talk.said() == [(Command.GRAB_JOB_ALL, [])]

    def test_do_not_hold_up_a_removal(self, talk: Talk) -> None:
        talk.session.remove_all()

        # In the order of the registrations, which does not depend on the hashes of the names.
        assert talk.said() == [(Command.CANT_DO, [b"g"]), (Command.CANT_DO, [b"f"])]

    def test_may_bring_a_job_of_what_was_removed(self, talk: Talk) -> None:
        talk.session.remove(b"f")
        talk.said()

        assert talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w") == [JOB]

    def test_are_an_option_that_other_servers_refuse(self) -> None:
        talk = Talk(long_poll=True)

        assert talk.hear(Command.ERROR, b"UNKNOWN_OPTION", b"Server does not recognize given option") == []
        assert talk.hear(Command.ERROR, b"QUEUE_ERROR", b"no more") == [ErrorPacket("QUEUE_ERROR", "no more")]

    def test_are_an_option_of_which_some_servers_say_nothing(self) -> None:
        talk = Talk(long_poll=True)

        talk.hear(Command.ECHO_RES, b"ready?")

        assert talk.hear(Command.ERROR, b"JOB_NOT_FOUND", b"?") == [ErrorPacket("JOB_NOT_FOUND", "?")]

    def test_are_not_confirmed_to_servers_without_them(self) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)
        talk.said()

        talk.hear(Command.NOOP)
        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w")

        assert talk.said() == []


class TestRemoving:
    def test_is_sent_at_once_if_the_function_is_idle(self) -> None:
        talk = Talk.busy((b"f", None), (b"g", None))

        talk.session.remove(b"g")

        assert talk.said() == [(Command.CANT_DO, [b"g"])]
        assert talk.session.wants_job

    def test_waits_for_the_jobs_of_the_function(self) -> None:
        """Protocol 1.9: gearmand would take them away and have them run again."""
        talk = Talk.busy()
        talk.session.remove(b"f")
        assert talk.said() == []
        assert not talk.session.wants_job

        talk.session.report(Command.WORK_COMPLETE, b"H:1", b"r")
        talk.session.finish(b"H:1")

        assert talk.said() == [(Command.WORK_COMPLETE, [b"H:1", b"r"]), (Command.CANT_DO, [b"f"])]
        assert talk.session.wants_job

    def test_waits_for_a_job_that_may_be_on_its_way(self) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)
        talk.said()
        talk.session.remove(b"f")
        assert talk.said() == []

        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w\0w")
        assert talk.said() == []
        talk.session.finish(b"H:1")
        assert talk.said() == [(Command.CANT_DO, [b"f"])]

    def test_follows_when_there_was_none(self) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)
        talk.said()
        talk.session.remove_all()

        talk.hear(Command.NO_JOB)

        assert talk.said() == [(Command.PRE_SLEEP, []), (Command.CANT_DO, [b"f"])]

    def test_is_taken_back_by_adding(self) -> None:
        talk = Talk.busy()
        talk.session.remove(b"f")

        talk.session.add(b"f", None)
        talk.session.finish(b"H:1")

        assert talk.said() == []
        assert talk.session.wants_job


class TestTheEnd:
    def test_nothing_is_said_to_a_server_that_is_gone(self) -> None:
        talk = Talk.busy()

        talk.session.end()
        talk.session.report(Command.WORK_COMPLETE, b"H:1", b"r")
        talk.session.finish(b"H:1")

        assert talk.said() == []
        assert talk.session.running == {}

    @pytest.mark.parametrize(
        ("command", "arguments"),
        [
            (Command.NO_JOB, ()),
            (Command.JOB_ASSIGN_UNIQ, (b"H:1", b"f", b"u", b"w")),
            (Command.ECHO_RES, (b"ready?",)),
            (Command.JOB_CREATED, (b"H:1",)),
        ],
    )
    def test_comes_with_an_answer_to_nothing(self, command: Command, arguments: tuple[bytes, ...]) -> None:
        with pytest.raises(RemoteProtocolError):
            Talk.awake().hear(command, *arguments)

    def test_comes_with_text(self) -> None:
        with pytest.raises(RemoteProtocolError, match=r"does not speak Gearman; it sent b'HTTP/1.0"):
            Talk.awake().session.receive(b"HTTP/1.0 400 Bad Request\r\n", 100.0)


class TestRetiring:
    def test_takes_no_more_jobs_and_is_over_with_the_last_one(self) -> None:
        talk = Talk.busy()

        talk.session.retire()

        assert not talk.session.wants_job
        assert not talk.session.has_retired
        talk.session.finish(b"H:1")
        assert talk.session.has_retired
        assert not talk.session.wants_job
        assert talk.said() == [(Command.CANT_DO, [b"f"])]

    def test_waits_for_the_answer_to_a_grab_which_may_be_a_job(self) -> None:
        talk = Talk.awake()
        talk.session.grab(talk.now)

        talk.session.retire()

        assert not talk.session.has_retired
        talk.hear(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"u", b"w")
        assert not talk.session.has_retired
        talk.session.finish(b"H:1")
        assert talk.session.has_retired

    def test_registers_no_function_again(self) -> None:
        talk = Talk.awake()
        talk.session.retire()
        talk.said()

        talk.session.add(b"g", None)

        assert talk.said() == []
        assert talk.session.has_retired

    def test_a_session_in_use_has_not_retired(self) -> None:
        assert not Talk.awake().session.has_retired


def test_details_of_exceptions_go_to_servers_that_agree() -> None:
    session = WorkerSession([(b"f", None)], b"", 0.0, long_poll=True, exception_details=True)
    other = WorkerSession([(b"f", None)], b"", 0.0, long_poll=True, exception_details=True)
    assert [arguments for command, arguments in Packets(REQUEST).receive(session.take_outgoing())][:2] == [
        [b"long-poll"],
        [b"exception-details"],
    ]
    other.take_outgoing()
    session.receive(response(Command.ERROR, b"UNKNOWN_OPTION", b""), 0.0)
    session.receive(response(Command.OPTION_RES, b"exception-details"), 0.0)
    for _ in range(2):
        assert other.receive(response(Command.ERROR, b"UNKNOWN_OPTION", b""), 0.0) == []

    for each in (session, other):
        each.report(Command.WORK_EXCEPTION, b"H:1", b"details\0n\0o")

    assert [arguments for _, arguments in Packets(REQUEST).receive(session.take_outgoing())] == [
        [b"H:1", b"details\0n\0o"]
    ]
    assert [arguments for _, arguments in Packets(REQUEST).receive(other.take_outgoing())] == [[b"H:1", b"n\0o"]]
