# SPDX-License-Identifier: MIT
"""Count the words of files; counts that are in memcached are not computed again."""

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

A_PIECE = 64 * 1024  # bytes of text: its counts are well below the one megabyte that memcached accepts
AT_A_TIME = 64  # pieces
TIMEOUT = 60.0  # seconds for as many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="texts in UTF-8")
    parser.add_argument("--recount", action="store_true", help="count pieces again that are in memcached")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="number of words to show [%(default)s]")
    options = parser.parse_args()
    if missing := [str(path) for path in options.files if not path.is_file()]:
        parser.error(f"no file: {', '.join(missing)}")

    texts = (piece for path in options.files for piece in pieces(path))
    total: Counter[str] = Counter()
    counted = known = 0
    memcached = Memcached(os.environ.get("MEMCACHED", "127.0.0.1:11211"), connect_timeout=5, timeout=5)
    with Client() as client, closing(memcached) as cache:
        while some := list(islice(texts, AT_A_TIME)):
            jobs, counts = count(client, cache, some, recount=options.recount)
            counted, known = counted + jobs, known + len(some) - jobs
            total.update(counts)

    print(f"{total.total():,} words, {len(total):,} of them different; {counted} pieces counted, {known} known before")
    for word, times in total.most_common(options.top):
        print(f"{times:8,} {word}")


def pieces(path: Path) -> Iterator[bytes]:
    """Divide a file into pieces of whole lines."""
    with path.open("rb") as file:
        while lines := file.readlines(A_PIECE):
            yield b"".join(lines)


def key_of(text: bytes) -> str:
    """Return the key of a text in memcached, which depends on the text alone."""
    return f"wordcount:{hashlib.sha256(text).hexdigest()[:32]}"


def count(client: Client, cache: Memcached, texts: Sequence[bytes], *, recount: bool) -> tuple[int, Counter[str]]:
    """Return the number of texts that had to be counted, and the count of each word in all of them."""
    keys = [key_of(text) for text in texts]
    known = set() if recount else set(cache.get_many(keys))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    submit_texts(client, missing)
    results = cache.get_many(keys)
    if lost := set(keys) - set(results):
        raise SystemExit(f"memcached has lost {len(lost)} of {len(texts)} results: does it have enough memory?")
    total: Counter[str] = Counter()
    for key in keys:
        total.update(json.loads(results[key]))
    return len(missing), total


def submit_texts(client: Client, texts: dict[str, bytes]) -> None:
    """Let workers store the counts of texts; clients with the same text at the same time share one job."""
    requests = (JobRequest("wordcount", b"%b\n%b" % (key.encode(), text), unique=key) for key, text in texts.items())
    try:
        for job in as_completed(client.submit_many(requests), TIMEOUT):
            job.result()
    except JobTimeout as error:
        raise SystemExit(f"{error}: is there a worker?") from error


if __name__ == "__main__":
    main()
