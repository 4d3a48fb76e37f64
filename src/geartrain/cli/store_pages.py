# SPDX-License-Identifier: MIT
"""The manual of ``gearmand store``, and of each of its actions."""

from geartrain.cli.options import HELP, VERSION, Option
from geartrain.cli.page import Page
from geartrain.cli.store_options import ACTIONS, PROGRAM

__all__ = ["ACTION_PAGES", "PAGE"]

_STATUS = {"Exit status": "0 if all went well, 1 for wrong usage or if something failed."}

PAGE = Page(
    PROGRAM,
    "inspect a store of jobs, or move jobs",
    usage=[f"{name} {action.usage}" for name, action in ACTIONS.items()],
    introduction="""\
URL is that of gearmand --store. Without that option a server keeps its jobs in
sqlite:///var/lib/geartrain/gearmand-4730.db (root) or sqlite:///HOME/.local/state/geartrain/gearmand-4730.db. A store
can be inspected and exported while a server uses it, but jobs can be imported only while no server does.
""",
    options={
        "Actions; each has --help": [Option(name, action.summary) for name, action in ACTIONS.items()],
        "Options": [HELP, VERSION],
    },
    sections={
        "Examples": """\
  gearmand store inspect sqlite:///var/lib/geartrain/gearmand-4730.db
  gearmand store export sqlite:///old.db | gearmand store import postgresql:///jobs -
  gearmand store import sqlite:///new.db --from 'sqlite:///var/lib/gearman/queue.db'""",
        **_STATUS,
    },
    number=8,
)

_SECTIONS = {
    "import": {
        "Imported jobs": """\
Jobs keep their order, and their handles unless other jobs have them. They get new numbers if theirs have been used.
They are stored in batches, each whole or not at all. If an import breaks off, the same command with --resume continues
it.""",
        "Queues of C servers": """\
OLD is the store of gearmand's -q:

  sqlite:///FILE?table=gearman_queue
  postgresql://USER:PASSWORD@HOST/DATABASE?table=queue
  mysql://USER:PASSWORD@HOST/DATABASE?table=gearman_queue
  redis://HOST?prefix=_gear_

gearmand must not run meanwhile. Keys in Redis do not always show where a function ends and a unique begins: list
functions that contain a '-' as in redis://HOST?function=send-mail&function=a-b.""",
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
