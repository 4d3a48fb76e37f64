# SPDX-License-Identifier: MIT
"""Submit a mailing, or show its progress."""

import argparse
import csv
import email
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from geartrain import JSON, Client, Progress, Warn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    send = commands.add_parser("send", help="submit a mailing as a background job")
    send.add_argument(
        "letter", type=Path, help="a file with From:, Subject:, an empty line, and a text with $name and other columns"
    )
    send.add_argument("recipients", type=Path, help="a CSV file with the columns address and name")
    send.add_argument("--wait", action="store_true", help="wait until it has been sent")
    send.set_defaults(do=lambda options: (follow if options.wait else queue)(read(options.letter, options.recipients)))
    status = commands.add_parser("status", help="show the progress of a mailing")
    status.add_argument("handle", help="the handle that send printed")
    status.set_defaults(do=lambda options: show_status(options.handle))
    options = parser.parse_args()
    result: int = options.do(options)
    return result


def read(letter: Path, recipients: Path) -> dict[str, Any]:
    """Return a mailing in the form that the worker expects."""
    draft = email.message_from_string(letter.read_text())
    with recipients.open(newline="") as table:
        by_address = {row["address"]: row for row in csv.DictReader(table)}  # one letter for each address
    if not (draft["From"] and draft["Subject"]):
        raise SystemExit(f"{letter}: a letter has to begin with the lines From: and Subject:, and an empty line")
    mailing = {"sender": draft["From"], "subject": draft["Subject"], "text": draft.get_payload()}
    return mailing | {"recipients": list(by_address.values())}


def queue(mailing: dict[str, Any]) -> int:
    with Client(codec=JSON) as client:
        # With the unique "-", a mailing that is submitted twice is one job until it ends.
        print(client.submit_background("send_mailing", mailing, unique="-"))
    return 0


def follow(mailing: dict[str, Any]) -> int:
    """Show the progress of the mailing; return 1 if a letter was rejected."""
    with Client(codec=JSON) as client, tqdm(unit=" letters") as bar:
        job = client.submit("send_mailing", mailing, unique="-")
        for event in job:
            if isinstance(event, Progress):
                bar.total = event.denominator
                bar.update(event.numerator - bar.n)
            elif isinstance(event, Warn):
                bar.write(event.text, file=sys.stderr)
        result = job.result()
    print(f"{result['sent']} sent, {len(result['refused'])} refused")
    return 1 if result["refused"] else 0


def show_status(handle: str) -> int:
    with Client() as client:
        status = client.status(handle)
    if status.running:
        print(f"{status.numerator} of {status.denominator}")
    else:
        print("waits for a worker" if status.known else "done, or never submitted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
