# SPDX-License-Identifier: MIT
"""A worker that sends mailings.

It records each letter in a journal. If it dies, the server gives its job to another worker, which reads the journal and
continues from there. A mailing that is submitted again by mistake is not sent again.
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
PAUSES = (0, 1, 5, 30, 120, 600)  # seconds before each attempt to send the remaining letters
TIMEOUT = 30.0  # seconds for each answer of the mail server
SENT = "sent"

worker = Worker(client_id="mailing", codec=JSON, concurrency=4)


@worker.function
def send_mailing(job: AssignedJob) -> dict[str, Any]:
    """Send a letter to each recipient; return the number sent, and the answers for the rejected ones."""
    mailing = job.value
    with Journal(JOURNALS / hashlib.sha256(job.workload).hexdigest()[:32]) as journal:
        for pause in PAUSES:
            time.sleep(pause)
            try:
                if attempt(job, mailing, journal):
                    return {"sent": journal.sent, "refused": journal.refused}
            except OSError as error:  # the base class of smtplib's errors
                job.warning(f"{MAIL_SERVER}: {error}")
        raise TimeoutError(f"gave up with {len(journal.answers)} of {len(mailing['recipients'])} done")


def attempt(job: AssignedJob, mailing: dict[str, Any], journal: "Journal") -> bool:
    """Send the remaining letters; return whether all recipients are done."""
    recipients = mailing["recipients"]
    job.progress(len(journal.answers), len(recipients))
    with smtplib.SMTP(MAIL_SERVER, timeout=TIMEOUT) as smtp:  # call starttls() and login() here if needed
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
    """Return `SENT`, or the reason of a rejection, or an empty text if the mail server asks to retry later."""
    try:
        smtp.send_message(letter(mailing, recipient), to_addrs=[recipient["address"]])
        return SENT
    except ValueError as error:
        return str(error)  # for example a name with a line break
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
    """Return a letter to the sender that lists the rejected recipients."""
    refused = "\n".join(f"{address}: {answer}" for address, answer in journal.refused.items())
    text = f"Letters sent: {journal.sent}. Letters rejected: {len(journal.refused)}.\n\n{refused}\n"
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
    """File with the mail server's answer to each letter of a mailing, one per line.

    A lock lets one worker at a time use it. A worker that has lost its connection to the job server finishes its
    mailing, and the next worker waits for the lock.
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
