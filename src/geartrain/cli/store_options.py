# SPDX-License-Identifier: MIT
"""The actions of ``gearmand store``, and the options of each."""

from collections.abc import Mapping, Sequence

from geartrain.cli.options import HELP, VERSION, Option, UsageError, parse
from geartrain.wording import did_you_mean

__all__ = ["ACTIONS", "PROGRAM", "Action", "StoreOptions", "read_options"]

PROGRAM = "gearmand store"

_URL = Option("URL", "the store, as in gearmand --store")


class Action:
    """One action.

    Args:
        summary: Its purpose.
        usage: The words behind its name.
        arguments: The words that it takes, in their order; the first one is needed.
        options: Its options.
    """

    def __init__(self, summary: str, usage: str, arguments: Sequence[Option], options: Sequence[Option]) -> None:
        self.summary = summary
        self.usage = usage
        self.arguments = arguments
        self.options = [*options, HELP, VERSION]


ACTIONS = {
    "inspect": Action(
        "show the number of jobs in a store, by function and priority",
        "URL [--json]",
        [_URL],
        [Option("--json", "print one JSON object")],
    ),
    "export": Action(
        "write the jobs of a store, one line of JSON for each",
        "URL [FILE]",
        [_URL, Option("FILE", "the file to write; it appears once it is complete [standard output]", files=True)],
        [],
    ),
    "import": Action(
        "put jobs into a store",
        "URL FILE|--from OLD [option ...]",
        [_URL, Option("FILE", "a file written by export; - for standard input", files=True)],
        [
            Option(
                "--from",
                "take the jobs from the queue of a C server, which this URL names",
                argument="OLD",
                key="queue",
            ),
            Option("--delete", "with --from: once all jobs are stored, delete them from OLD"),
            Option("--resume", "skip jobs that the store already has"),
            Option("--new-handles", "give all jobs new handles"),
            Option("--job-handle-prefix", "prefix of new handles, as in gearmand [H:hostname]", argument="PREFIX"),
        ],
    ),
}


class StoreOptions:
    """The command line behind ``gearmand store``.

    Attributes:
        action: The name of the action; empty if only help or the version is asked for.
        url: The store.
        file: The file to read or write; ``-`` for standard input or output.
        queue: The URL of a C server's queue, in place of a file.
    """

    url: str = ""
    file: str = ""
    json: bool = False
    queue: str | None = None
    delete: bool = False
    resume: bool = False
    new_handles: bool = False
    job_handle_prefix: str = ""
    help: bool = False
    version: bool = False

    def __init__(self, action: str, values: Mapping[str, object]) -> None:
        self.action = action
        vars(self).update(values)


def read_options(words: Sequence[str]) -> StoreOptions:
    """Read the words behind ``gearmand store``.

    Raises:
        UsageError: They are not understood.
    """
    name = words[0] if words else ""
    if name.startswith("-"):
        return StoreOptions("", parse(words, [HELP, VERSION])[0])
    if name not in ACTIONS:
        *first, last = ACTIONS
        allowed = f"{', '.join(first)} or {last}"
        raise UsageError(
            f"the action is {allowed}, not {name!r}{did_you_mean(name, ACTIONS)}"
            if name
            else f"name an action: {allowed}"
        )
    action = ACTIONS[name]
    values, others = parse(words[1:], action.options)
    options = StoreOptions(name, values | dict(zip(("url", "file"), others, strict=False)))
    if not options.help and not options.version:
        _check(options, action, others)
    return options


def _check(options: StoreOptions, action: Action, others: Sequence[str]) -> None:
    if not options.url:
        raise UsageError(f"{options.action} needs the URL of a store")
    if len(others) > len(action.arguments):
        raise UsageError(f"{options.action} takes no {others[len(action.arguments)]!r}")
    if options.action != "import":
        return
    if options.queue is None and not options.file:
        raise UsageError("import needs a FILE, or --from OLD")
    if options.queue is not None and options.file:
        raise UsageError("import takes a FILE or --from OLD, not both")
    if options.delete and options.queue is None:
        raise UsageError("--delete goes with --from")
