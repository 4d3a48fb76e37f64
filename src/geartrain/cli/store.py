# SPDX-License-Identifier: MIT
"""``gearmand store``: inspect a store, export its jobs, import jobs into it.

The word stands in front of all others, where gearmand takes only options, so neither can be taken for the other.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, NoReturn

from geartrain.cli.output import discard_stdout
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
PROGRAM = "gearmand store"

_EPILOG = """\
URL is that of gearmand --store. A server without that option keeps its jobs in
sqlite:///var/lib/geartrain/gearmand-4730.db (root) or sqlite:///HOME/.local/state/geartrain/gearmand-4730.db.
Stores may be inspected and exported while a server uses them, but jobs come into a store while no server does.

Examples:
  gearmand store inspect sqlite:///var/lib/geartrain/gearmand-4730.db
  gearmand store export sqlite:///old.db | gearmand store import postgresql:///jobs -
  gearmand store import sqlite:///new.db --from 'sqlite:///var/lib/gearman/queue.db?table=gearman_queue'

Exit status: 0 if all went well, 1 for wrong usage or if something failed."""

_IMPORT_EPILOG = """\
Jobs keep their order and, unless another job has it, their handle. They get new numbers if theirs have been used.
They are stored in batches, each whole or not at all; if an import breaks off, the same command with --resume goes on.

OLD is what gearmand's -q kept: sqlite:///FILE?table=gearman_queue, redis://HOST?prefix=_gear_,
postgresql://USER:PASSWORD@HOST/DATABASE?table=queue or mysql://USER:PASSWORD@HOST/DATABASE?table=gearman_queue.
gearmand must not run meanwhile. Keys in Redis do not always say where a function ends and a unique begins: name
functions that contain a '-' like redis://HOST?function=send-mail&function=a-b."""


class _Parser(argparse.ArgumentParser):
    """Wrong usage ends with the exit status of any failure of gearmand."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; {self.prog} --help tells more", file=sys.stderr)
        raise SystemExit(EXIT_FAILURE)


def main(words: Sequence[str]) -> int:
    """Run the command and return its exit status; ``words`` are those behind ``store``."""
    parser = _parser()
    options = parser.parse_args(words)
    if getattr(options, "delete", False) and options.queue is None:
        parser.error("--delete goes with --from")
    try:
        asyncio.run(options.run(options))
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


def _parser() -> _Parser:
    layout = partial(argparse.RawDescriptionHelpFormatter, max_help_position=20, width=118)
    parser = _Parser(
        prog=PROGRAM, description="Look into a store of jobs, or move jobs.", epilog=_EPILOG, formatter_class=layout
    )
    actions = parser.add_subparsers(required=True, dest="action", metavar="ACTION")

    inspect = actions.add_parser(
        "inspect", help="say how many jobs a store has, and of what kind", formatter_class=layout
    )
    inspect.add_argument("url", metavar="URL", help="the store")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    inspect.set_defaults(run=_inspect)

    export = actions.add_parser("export", help="write a store's jobs, one line of JSON each", formatter_class=layout)
    export.add_argument("url", metavar="URL", help="the store")
    export.add_argument("file", metavar="FILE", nargs="?", default="-", help="where to, once it is complete [stdout]")
    export.set_defaults(run=_export)

    bring = actions.add_parser("import", help="put jobs into a store", epilog=_IMPORT_EPILOG, formatter_class=layout)
    bring.add_argument("url", metavar="URL", help="the store that the jobs come into")
    source = bring.add_mutually_exclusive_group(required=True)
    source.add_argument("file", metavar="FILE", nargs="?", help="lines that export has written; - for stdin")
    source.add_argument("--from", dest="queue", metavar="OLD", help="the persistent queue of a C gearmand, see below")
    bring.add_argument("--delete", action="store_true", help="with --from: delete OLD's jobs when all are stored")
    bring.add_argument("--resume", action="store_true", help="leave out jobs that the store has already")
    bring.add_argument("--new-handles", action="store_true", help="give all jobs new handles")
    bring.add_argument(
        "--job-handle-prefix",
        metavar="PREFIX",
        default=GearmandOptions().job_handle_prefix,
        help="as the server has it, for handles that are new [H:hostname]",
    )
    bring.set_defaults(run=_import)
    return parser


async def _inspect(options: argparse.Namespace) -> None:
    summary = Summary(time.time() * 1000)
    async with _opened(options.url, only_reads=True) as (store, opened):
        async for records in store.replay():
            for record in records:
                summary.count(record)
    print(as_json(summary, opened) if options.json else as_text(summary, opened))


async def _export(options: argparse.Namespace) -> None:
    with _written(options.file) as out:
        async with _opened(options.url, only_reads=True) as (store, _):
            async for records in store.replay():
                out.writelines(map(encode, records))


async def _import(options: argparse.Namespace) -> None:
    async with _opened(options.url) as (store, opened):
        importer = Importer(
            opened.reserved,
            options.job_handle_prefix.encode(),
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
    opened = await store.open()
    try:
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
