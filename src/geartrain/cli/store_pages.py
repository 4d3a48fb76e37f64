# SPDX-License-Identifier: MIT
"""The manual of ``gearmand store``, and of each of its actions."""

from geartrain.cli.options import HELP, VERSION, Option
from geartrain.cli.page import Page
from geartrain.cli.store_options import ACTIONS, PROGRAM

__all__ = ["ACTION_PAGES", "PAGE"]

_STATUS = {"Exit status": "0 on success, 1 on failure or if the command line is wrong."}

PAGE = Page(
    PROGRAM,
    "inspect a store of jobs, or move its jobs",
    usage=[f"{name} {action.usage}" for name, action in ACTIONS.items()],
    introduction="""\
Show the jobs in a store, write them to a file, or put jobs into a store. URL names the store, as in gearmand --store.
The path in sqlite:///var/lib/jobs.db is absolute, the path in sqlite:jobs.db is relative. The default store of a server
is sqlite:///var/lib/geartrain/gearmand-4730.db if root started it, otherwise
sqlite:///HOME/.local/state/geartrain/gearmand-4730.db. OLD is the URL of the queue of a C server; see
gearmand store import --help.

A store can be inspected and exported while a server uses it. To import jobs, stop the server first.
""",
    options={
        "Actions; each has --help": [Option(name, action.summary) for name, action in ACTIONS.items()],
        "Options": [HELP, VERSION],
    },
    sections={
        "Examples": """\
  gearmand store inspect sqlite:///var/lib/geartrain/gearmand-4730.db
  gearmand store export sqlite:old.db | gearmand store import postgresql:///jobs -
  gearmand store import sqlite:new.db --from sqlite:///var/lib/gearman/queue.db""",
        **_STATUS,
    },
    number=8,
)

_SECTIONS = {
    "import": {
        "Imported jobs": """\
Jobs keep their order. They also keep their handles, unless other jobs in the store have used them. Jobs are stored in
groups, each completely or not at all. To continue an interrupted import, repeat the command with --resume.""",
        "Queues of C servers": """\
OLD is the URL of a queue that the C server stored with its option -q:

  sqlite:///FILE?table=gearman_queue
  postgresql://USER:PASSWORD@HOST/DATABASE?table=queue
  mysql://USER:PASSWORD@HOST/DATABASE?table=gearman_queue
  redis://HOST?prefix=_gear_

Stop the C server before the import. In Redis, a key is the name of the function, a '-' and the unique. If functions
have a '-' in their name, list them: redis://HOST?function=send-mail&function=a-b.""",
    }
}

ACTION_PAGES = {
    name: Page(
        f"{PROGRAM} {name}",
        action.summary,
        usage=[action.usage],
        introduction=f"{action.summary[0].upper()}{action.summary[1:]}.",
        options={"Arguments": action.arguments, "Options": action.options},
        sections={**_SECTIONS.get(name, {}), **_STATUS},
        number=8,
    )
    for name, action in ACTIONS.items()
}
