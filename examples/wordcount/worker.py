# SPDX-License-Identifier: MIT
"""A worker that counts words and stores the counts in memcached; worker.pl does the same in Perl."""

import json
import os
from collections import Counter

from pymemcache import Client as Memcached

from geartrain import AssignedJob, Worker

worker = Worker(client_id="wordcount")
cache = Memcached(os.environ.get("MEMCACHED", "127.0.0.1:11211"), connect_timeout=5, timeout=5, default_noreply=False)


@worker.function(timeout=60)
def wordcount(job: AssignedJob) -> str:
    """Count the words of a text, and store the counts under the key on its first line."""
    key, _, text = job.workload.partition(b"\n")
    counts = Counter(words(text.decode(errors="replace")))
    cache.set(key, json.dumps(counts, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())
    return str(counts.total())


def words(text: str) -> list[str]:
    """Return the sequences of letters of any script, in lower case."""
    return "".join(sign if sign.isalpha() else " " for sign in text).casefold().split()


if __name__ == "__main__":
    worker.run()
