# SPDX-License-Identifier: MIT
"""The email example with a real SMTP server, whose mailbox is checked."""

import mailbox
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from functools import partial
from pathlib import Path

import pytest

from geartrain import Client, JobStatus
from tests.examples.terminal import Terminal, open_terminal

SMTP_PORT = 8025
CLIENT = "python examples/email/client.py"
WORKER = "python examples/email/worker.py &"
MANY = 1000  # recipients, for at least a second of work


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with open_terminal(tmp_path, SMTP_PORT) as opened:
        yield opened


@pytest.fixture
def blocks(terminal: Terminal) -> list[str]:
    """The blocks of the README after the first one, which has been run."""
    start, *others = terminal.blocks("email")
    terminal.type(start)
    return others


@pytest.fixture
def recipients(terminal: Terminal) -> Path:
    """A long table."""
    table = terminal.folder / "many.csv"
    table.write_text("address\n" + "".join(f"reader-{number}@example.org\n" for number in range(MANY)))
    return table


def delivered(terminal: Terminal) -> list[Message]:
    """Return the messages that the SMTP server got, in order."""
    box = mailbox.Maildir(terminal.folder / "mail")
    return sorted(box, key=lambda message: message["Message-ID"])


def test_the_readme(terminal: Terminal, blocks: list[str]) -> None:
    queue, send, stop = blocks

    queued = terminal.type(queue)
    sent = terminal.type(send)
    end = terminal.type(stop)

    assert queued == ["waits for a worker"]
    assert "11 sent, 1 refused" in sent
    assert "To: Grace <grace@example.org>" in sent
    assert end == ["OK"]
    letters = [message for message in delivered(terminal) if message["Subject"].startswith("A job server")]
    table = (terminal.folder / "examples" / "email" / "recipients.csv").read_text().split()[1:]
    good = [row.split(",") for row in table if "@@" not in row]
    assert sorted(message["To"] for message in letters) == sorted(f"{name} <{address}>" for name, address in good)
    for message in letters:
        assert message["From"] == "news@example.org"
        assert message["To"] == f"{str(message.get_payload()).split()[1].rstrip(',')} <{message['X-RcptTo']}>"
        assert "$name" not in message.as_string()


def test_a_refused_address_is_reported_to_the_sender_and_to_the_client(terminal: Terminal, blocks: list[str]) -> None:
    terminal.type(WORKER)

    lines = terminal.type(blocks[1].splitlines()[1] + " 2>&1 || echo exit status $?")

    assert any(line.endswith("dennis@@example.org: 553 5.1.3 Error: malformed address") for line in lines)
    assert lines[-1] == "exit status 1"
    [report] = [message for message in delivered(terminal) if message["Subject"].startswith("Not delivered: ")]
    assert report["X-RcptTo"] == "news@example.org"
    assert "Letters sent: 11. Letters rejected: 1.\n\ndennis@@example.org: 553" in report.get_payload()


def test_a_mailing_that_is_queued_again_is_not_sent_again(terminal: Terminal, blocks: list[str]) -> None:
    terminal.type(WORKER)
    send = blocks[1].splitlines()[1]

    first, second = terminal.type(send), terminal.type(send)

    assert first == second == ["11 sent, 1 refused"]
    assert Counter(message["To"] for message in delivered(terminal))["Grace <grace@example.org>"] == 1


def differs(client: Client, handle: str, status: JobStatus) -> bool:
    return client.status(handle) != status


def test_another_worker_continues_after_a_kill(terminal: Terminal, blocks: list[str], recipients: Path) -> None:
    [worker] = terminal.type(f"{WORKER} echo $!")
    [mail_server] = terminal.type("jobs -p %?aiosmtpd")

    [handle] = terminal.type(f"{CLIENT} send examples/email/letter.txt {recipients}")
    with Client(terminal.address) as client:
        terminal.until(lambda: client.status(handle).numerator > 10, "letters")
        os.kill(int(mail_server), signal.SIGSTOP)
        [half] = terminal.type(f"{CLIENT} status {handle}")
        os.kill(int(worker), signal.SIGKILL)
        terminal.type(WORKER)
        os.kill(int(mail_server), signal.SIGCONT)
        while (status := client.status(handle)).known:
            terminal.until(partial(differs, client, handle, status), "the next letter")

    sent = re.fullmatch(rf"(\d+) of {MANY}", half)
    assert sent is not None
    assert 10 < int(sent[1]) < MANY
    letters = Counter(message["X-RcptTo"] for message in delivered(terminal))
    assert len(letters) == MANY
    assert letters.total() <= MANY + 1  # the letter that was being sent may be sent twice


def test_a_mailing_survives_a_kill_of_the_job_server(terminal: Terminal, blocks: list[str]) -> None:
    start = terminal.blocks("email")[0]

    terminal.type(blocks[0])
    terminal.type("kill -KILL $(cat $GEARMAND_PID_FILE)")
    terminal.type(start.splitlines()[0])
    terminal.type(WORKER)

    terminal.until(lambda: len(delivered(terminal)) == 12, "eleven letters and the report")


def test_the_worker_waits_for_a_mail_server_that_is_down(terminal: Terminal, blocks: list[str]) -> None:
    start = terminal.blocks("email")[0]
    progress = terminal.folder / "progress"
    progress.touch()
    terminal.type("kill %?aiosmtpd; wait %?aiosmtpd")
    terminal.type(WORKER)

    terminal.type(f"{blocks[1].splitlines()[1]} >progress 2>&1 &")
    terminal.until(lambda: "refused" in progress.read_text(), "a warning")
    terminal.type(start.splitlines()[-1])
    terminal.until(lambda: "11 sent, 1 refused" in progress.read_text(), "the mailing's end")

    assert len(delivered(terminal)) == 12
