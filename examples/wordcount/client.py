# SPDX-License-Identifier: MIT
"""Counts the words of files. What memcached knows of them is not counted again."""

import argparse
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from pymemcache import Client as Memcached

from geartrain import Client, JobRequest, JobTimeout, as_completed

A_PIECE = 64 * 1024  # bytes of text: its counts are well below what memcached takes, one megabyte
AT_A_TIME = 64  # pieces
PATIENCE = 60.0  # seconds for so many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="texts in UTF-8")
    parser.add_argument("--afresh", action="store_true", help="count what is known, too")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many words to show [%(default)s]")
    options = parser.parse_args()
    if missing := [str(path) for path in options.files if not path.is_file()]:
        parser.error(f"no file: {', '.join(missing)}")

    texts = (piece for path in options.files for piece in pieces(path))
    total: Counter[str] = Counter()
    counted = known = 0
    memcached = Memcached(os.environ.get("MEMCACHED", "127.0.0.1:11211"), connect_timeout=5, timeout=5)
    with Client() as client, closing(memcached) as cache:
        while some := list(islice(texts, AT_A_TIME)):
            jobs, counts = count(client, cache, some, afresh=options.afresh)
            counted, known = counted + jobs, known + len(some) - jobs
            total.update(counts)

    print(f"{total.total():,} words, {len(total):,} of them different; {counted} pieces counted, {known} known before")
    for word, times in total.most_common(options.top):
        print(f"{times:8,} {word}")


def pieces(path: Path) -> Iterator[bytes]:
    """Cut a file into pieces of whole lines."""
    with path.open("rb") as file:
        while lines := file.readlines(A_PIECE):
            yield b"".join(lines)


def key_of(text: bytes) -> str:
    """Return what memcached is to know a text by: the same for the same text, wherever it is."""
    return f"wordcount:{hashlib.sha256(text).hexdigest()[:32]}"


def count(client: Client, cache: Memcached, texts: Sequence[bytes], *, afresh: bool) -> tuple[int, Counter[str]]:
    """Return how many of the texts had to be counted, and how often each word occurs in them all."""
    keys = [key_of(text) for text in texts]
    known = set() if afresh else set(cache.get_many(keys))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    have_counted(client, missing)
    results = cache.get_many(keys)
    if lost := set(keys) - set(results):
        raise SystemExit(f"memcached has lost {len(lost)} of {len(texts)} results: does it have memory enough?")
    total: Counter[str] = Counter()
    for key in keys:
        total.update(json.loads(results[key]))
    return len(missing), total


def have_counted(client: Client, texts: dict[str, bytes]) -> None:
    """Have the counts of texts stored by their keys. Two clients who want the same at once share one job."""
    requests = (JobRequest("wordcount", b"%b\n%b" % (key.encode(), text), unique=key) for key, text in texts.items())
    try:
        for job in as_completed(client.submit_many(requests), PATIENCE):
            job.result()
    except JobTimeout as error:
        raise SystemExit(f"{error}: is there a worker?") from error


if __name__ == "__main__":
    main()
