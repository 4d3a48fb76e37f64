# SPDX-License-Identifier: MIT
"""A worker that sends mailings.

It notes in a journal whom it has written to. When it dies, the server gives its job to another worker, which reads the
journal and goes on from there; and a mailing that is queued once more by mistake is not sent once more.
"""

import fcntl
import hashlib
import json
import os
import smtplib
import time
from email.message import EmailMessage
from email.utils import formataddr, formatdate, make_msgid, parseaddr
from pathlib import Path
from string import Template
from typing import Any

from geartrain import JSON, AssignedJob, Worker

MAIL_SERVER = os.environ.get("MAIL_SERVER", "127.0.0.1:25")
JOURNALS = Path(os.environ.get("MAIL_JOURNALS", "journals"))
PAUSES = (0, 1, 5, 30, 120, 600)  # seconds before each attempt to write to those who are left
PATIENCE = 30.0  # seconds for each answer of the mail server
SENT = "sent"

worker = Worker(client_id="mailing", codec=JSON, concurrency=4)


@worker.function
def send_mailing(job: AssignedJob) -> dict[str, Any]:
    """Write to every recipient; return how many got a letter, and what the mail server said of the others."""
    mailing = job.value
    with Journal(JOURNALS / hashlib.sha256(job.workload).hexdigest()[:32]) as journal:
        for pause in PAUSES:
            time.sleep(pause)
            try:
                if attempt(job, mailing, journal):
                    return {"sent": journal.sent, "refused": journal.refused}
            except OSError as error:  # the root of smtplib's errors, too
                job.warning(f"{MAIL_SERVER}: {error}")
        raise TimeoutError(f"gave up with {len(journal.answers)} of {len(mailing['recipients'])} done")


def attempt(job: AssignedJob, mailing: dict[str, Any], journal: "Journal") -> bool:
    """Write to all who are left; return whether nobody is left any more."""
    recipients = mailing["recipients"]
    job.progress(len(journal.answers), len(recipients))
    with smtplib.SMTP(MAIL_SERVER, timeout=PATIENCE) as smtp:  # and here starttls() and login(), where they are wanted
        for recipient in recipients:
            address = recipient["address"]
            if address not in journal.answers and (answer := send(smtp, mailing, recipient)):
                journal.note(address, answer)
                job.progress(len(journal.answers), len(recipients))
                if answer != SENT:
                    job.warning(f"{address}: {answer}")
        is_done = len(journal.answers) == len(recipients)
        if is_done and journal.refused:
            smtp.send_message(report(mailing, journal))
    return is_done


def send(smtp: smtplib.SMTP, mailing: dict[str, Any], recipient: dict[str, str]) -> str:
    """Return `SENT`, or why the letter is refused, or nothing if the mail server wants it later."""
    try:
        smtp.send_message(letter(mailing, recipient), to_addrs=[recipient["address"]])
        return SENT
    except ValueError as error:
        return str(error)  # such as a name that is more than one line
    except smtplib.SMTPRecipientsRefused as error:
        words: bytes | str
        [(code, words)] = error.recipients.values()
    except smtplib.SMTPDataError as error:
        code, words = error.smtp_code, error.smtp_error
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{code} {text}" if code >= 500 else ""


def letter(mailing: dict[str, Any], recipient: dict[str, str]) -> EmailMessage:
    return message(
        mailing,
        formataddr((recipient.get("name", ""), recipient["address"])),
        mailing["subject"],
        Template(mailing["text"]).safe_substitute(recipient),
    )


def report(mailing: dict[str, Any], journal: "Journal") -> EmailMessage:
    """Tell the sender, who perhaps left long ago, of those whom the letter did not reach."""
    refused = "\n".join(f"{address}: {answer}" for address, answer in journal.refused.items())
    text = f"{journal.sent} letters were sent. {len(journal.refused)} were refused:\n\n{refused}\n"
    return message(mailing, mailing["sender"], f"Not delivered: {mailing['subject']}", text)


def message(mailing: dict[str, Any], to: str, subject: str, text: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = mailing["sender"]
    made["To"] = to
    made["Subject"] = subject
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=parseaddr(mailing["sender"])[1].rpartition("@")[2])
    made.set_content(text)
    return made


class Journal:
    """What the mail server said to each letter of a mailing, in a file of lines that outlives the worker.

    One worker at a time has it. One that has lost its connection, and does not know that its job is somebody else's by
    now, sends its letters to the end.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", buffering=1)  # each line is written at once
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.seek(0)
        self.answers: dict[str, str] = dict(json.loads(line) for line in self._file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def sent(self) -> int:
        return sum(answer == SENT for answer in self.answers.values())

    @property
    def refused(self) -> dict[str, str]:
        return {address: answer for address, answer in self.answers.items() if answer != SENT}

    def note(self, address: str, answer: str) -> None:
        self.answers[address] = answer
        self._file.write(json.dumps([address, answer]) + "\n")


if __name__ == "__main__":
    worker.run()
