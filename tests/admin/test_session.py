# SPDX-License-Identifier: MIT
"""The text protocol from the side of an admin client."""

import pytest

from geartrain.admin.session import AdminSession, Reply, to_text, to_wire
from geartrain.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError, ServerError
from geartrain.protocol.text import TextCommand

# The command and its arguments, the server's reply, its lines, and true if it is an error.
REPLIES = [
    (TextCommand.VERSION, (), b"OK 1.1.20+ds\n", (b"1.1.20+ds",), False),
    (TextCommand.CREATE_FUNCTION, (b"f",), b"OK\r\n", (b"",), False),
    (TextCommand.GETPID, (), b"OK 17\n", (b"17",), False),
    (TextCommand.VERSION, (), b"1.14\r\n", (b"1.14",), False),  # as servers other than gearmand put it
    (TextCommand.STATUS, (), b".\n", (), False),
    (TextCommand.STATUS, (), b"f\t1\t0\t2\ng\t0\t0\t0\n.\n", (b"f\t1\t0\t2", b"g\t0\t0\t0"), False),
    (TextCommand.SHOW_UNIQUE_JOBS, (), b"\nu\n\n.\n", (b"", b"u", b""), False),
    (TextCommand.SHOW_UNIQUE_JOBS, (), b"ERR row\n.\n", (b"ERR row",), False),  # a unique: an error ends with CR LF
    (TextCommand.SHOW_UNIQUE_JOBS, (), b"ERR UNKNOWN\r\n", (b"UNKNOWN",), True),
    (TextCommand.CANCEL_JOB, (b"H:1",), b"ERR UNKNOWN_JOB\r\n", (b"UNKNOWN_JOB",), True),
    (TextCommand.DROP_FUNCTION, (b"f",), b"ERR function not found\n", (b"function not found",), True),
]


@pytest.mark.parametrize(("command", "arguments", "said", "lines", "is_error"), REPLIES)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_replies_may_arrive_in_pieces(
    command: TextCommand, arguments: tuple[bytes, ...], said: bytes, lines: tuple[bytes, ...], is_error: bool, size: int
) -> None:
    session = AdminSession()
    session.ask(command, *arguments)

    replies = [r for at in range(0, len(said), size) for r in session.receive(said[at : at + size])]

    assert replies == [Reply(command, lines, is_error)]
    assert session.awaited == 0


def test_replies_to_one_breath_of_commands_keep_their_order() -> None:
    session = AdminSession()
    for command, arguments, *_ in REPLIES:
        session.ask(command, *arguments)

    replies = list(session.receive(b"".join(said for _, _, said, *_ in REPLIES)))

    assert [(r.command, r.lines, r.is_error) for r in replies] == [(c, ls, e) for c, _, _, ls, e in REPLIES]


def test_commands_are_lines() -> None:
    session = AdminSession()
    session.ask(TextCommand.STATUS)
    session.ask(TextCommand.MAXQUEUE, b"f", b"1", b"2", b"3")

    assert session.take_outgoing() == b"status\r\nmaxqueue f 1 2 3\r\n"
    assert session.take_outgoing() == b""


@pytest.mark.parametrize("name", [b"", b"two words", b"a\tb", b"a\n", b"a\0"])
def test_a_name_that_no_text_line_can_carry_is_rejected(name: bytes) -> None:
    session = AdminSession()

    with pytest.raises(LocalProtocolError):
        session.ask(TextCommand.DROP_FUNCTION, name)
    assert session.take_outgoing() == b""
    assert session.awaited == 0


@pytest.mark.parametrize("arguments", [(), (b"a", b"b")])
def test_arguments_are_counted(arguments: tuple[bytes, ...]) -> None:
    with pytest.raises(LocalProtocolError, match="takes 1 argument, not"):
        AdminSession().ask(TextCommand.CANCEL_JOB, *arguments)


def test_an_answer_without_a_question_is_no_conversation() -> None:
    with pytest.raises(RemoteProtocolError, match="a reply to no command"):
        list(AdminSession().receive(b"OK\n"))


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    session = AdminSession(max_line=100)
    session.ask(TextCommand.VERSION)

    with pytest.raises(RemoteProtocolError, match="100 bytes"):
        list(session.receive(b"x" * 101))


def test_the_end_of_the_connection_says_whose_it_was() -> None:
    session = AdminSession("a:4730")

    with pytest.raises(ConnectionLost, match="a:4730: the connection was closed"):
        list(session.receive(b""))


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        (b"UNKNOWN_COMMAND Unknown+server+command", "UNKNOWN_COMMAND", "Unknown+server+command"),
        (b"UNKNOWN_JOB", "UNKNOWN_JOB", "the server rejected status"),
        (b"function not found", "ERR", "function not found (in reply to status)"),
    ],
)
def test_errors_are_raised_with_their_code(said: bytes, code: str, text: str) -> None:
    with pytest.raises(ServerError) as caught:
        Reply(TextCommand.STATUS, (said,), is_error=True).checked()
    assert (caught.value.code, caught.value.text) == (code, text)


def test_names_that_are_no_text_come_back_as_they_were() -> None:
    assert to_wire(to_text(b"\xff\xc3\xa4")) == b"\xff\xc3\xa4"
