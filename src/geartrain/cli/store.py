# SPDX-License-Identifier: MIT
"""``gearmand store``: inspect a store, export its jobs, import jobs into it.

The word stands in front of all others, where gearmand takes only options, so neither can be taken for the other.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from geartrain.cli.options import UsageError
from geartrain.cli.output import discard_stdout, print_version
from geartrain.cli.page import help_text
from geartrain.cli.store_options import PROGRAM, StoreOptions, read_options
from geartrain.cli.store_pages import ACTION_PAGES, PAGE
from geartrain.cli.store_report import as_json, as_text
from geartrain.core.record import JobRecord
from geartrain.errors import GeartrainError
from geartrain.server.options import GearmandOptions
from geartrain.storage import Opened, Store, StoreError, open_store
from geartrain.storage.gearmand import open_queue
from geartrain.storage.importer import Importer, import_jobs
from geartrain.storage.jsonlines import encode, read_lines
from geartrain.storage.summary import Summary
from geartrain.wording import counted

__all__ = ["main"]

EXIT_FAILURE = 1


def main(words: Sequence[str]) -> int:
    """Run the command and return its exit status; ``words`` are those behind ``store``."""
    try:
        options = read_options(words)
    except UsageError as error:
        mark = "" if str(error).endswith("?") else "."
        print(f"{PROGRAM}: {error}{mark} See {PROGRAM} --help.", file=sys.stderr)
        return EXIT_FAILURE
    if options.help:
        print(help_text(ACTION_PAGES.get(options.action, PAGE)), end="")
        return 0
    if options.version:
        print_version(PROGRAM)
        return 0
    return _run(options)


def _run(options: StoreOptions) -> int:
    try:
        asyncio.run(_ACTIONS[options.action](options))
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except KeyboardInterrupt:
        pass
    except (GeartrainError, OSError) as error:
        print(f"{PROGRAM} {options.action}: {error}", file=sys.stderr)
    else:
        return 0
    return EXIT_FAILURE


async def _inspect(options: StoreOptions) -> None:
    summary = Summary(time.time() * 1000)
    async with _opened(options.url, only_reads=True) as (store, opened):
        async for records in store.replay():
            for record in records:
                summary.count(record)
    print(as_json(summary, opened) if options.json else as_text(summary, opened))


async def _export(options: StoreOptions) -> None:
    with _written(options.file or "-") as out:
        async with _opened(options.url, only_reads=True) as (store, _):
            async for records in store.replay():
                out.writelines(map(encode, records))


async def _import(options: StoreOptions) -> None:
    async with _opened(options.url) as (store, opened):
        importer = Importer(
            opened.reserved,
            (options.job_handle_prefix or GearmandOptions().job_handle_prefix).encode(),
            resumes=options.resume,
            new_handles=options.new_handles,
        )
        if options.queue is None:
            with _read(options.file) as lines:
                await _store_all(store, read_lines(lines), importer)
        else:
            with contextlib.closing(open_queue(options.queue)) as queue:
                await _store_all(store, queue.jobs(), importer)
                if options.delete:
                    queue.delete()
    print(f"{counted(importer.imported, 'job')} stored" + "".join(_remarks(importer)))


_ACTIONS: dict[str, Callable[[StoreOptions], Coroutine[None, None, None]]] = {
    "inspect": _inspect,
    "export": _export,
    "import": _import,
}


async def _store_all(store: Store, jobs: Iterator[JobRecord], importer: Importer) -> None:
    stored = 0
    try:
        async for count in import_jobs(store, jobs, importer):
            stored += count
    except StoreError as error:
        so_far = "nothing has been stored"
        if stored:
            so_far = f"{counted(stored, 'job is', 'jobs are')} stored, and --resume continues from there"
        raise StoreError(f"{error}\n{so_far}") from error


def _remarks(importer: Importer) -> Iterator[str]:
    if importer.renamed:
        has = counted(importer.renamed, "of them has", "of them have")
        yield f"; {has} a new handle, as another job has the old one"
    if importer.left_out:
        yield f"; {counted(importer.left_out, 'was', 'were')} there already"


@contextlib.asynccontextmanager
async def _opened(url: str, *, only_reads: bool = False) -> AsyncIterator[tuple[Store, Opened]]:
    store = open_store(url, only_reads=only_reads)
    try:
        opened = await store.open()
        yield store, opened
    finally:
        await store.close()


def _read(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    return contextlib.nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


@contextlib.contextmanager
def _written(name: str) -> Iterator[BinaryIO]:
    """Write a file that appears when it is complete, and that only its owner may read."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{name}.part")
    with contextlib.ExitStack() as on_failure:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            on_failure.callback(part.unlink)
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(name)
        on_failure.pop_all()
