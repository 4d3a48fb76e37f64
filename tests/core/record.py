# SPDX-License-Identifier: MIT
"""Record the transcripts of the job server.

::

    python -m tests.core.record update [NAME...]   keep the input, and write the output of today's server behind it
    python -m tests.core.record new [GROUP...]     make up the conversations of these groups, or all, from scratch

A change that is meant to alter what peers are sent calls for ``update``, and `git diff` then shows what it alters.
"""

import logging
import sys

from tests.core.conversation import Conversation
from tests.core.plans import PLANS
from tests.core.recorder import Recorder
from tests.core.transcript import FOLDER, load, perform, save


def new(names: list[str]) -> None:
    """Make up conversations and write them."""
    for plan in PLANS:
        if not names or plan.name in names:
            for number in range(1, plan.count + 1):
                name = f"{plan.name}-{number:02}"
                recorder = Recorder(plan, name)
                recorder.record()
                save(FOLDER / f"{name}.txt", recorder.options, recorder.turns)


def update(names: list[str]) -> None:
    """Write what the server says today behind what the peers said."""
    for path in sorted(FOLDER.glob("*.txt")):
        if not names or path.stem in names:
            options, turns = load(path)
            conversation = Conversation(options)
            for turn in turns:
                turn.output = perform(conversation, turn.input)
            save(path, options, turns)


if __name__ == "__main__":
    logging.disable()
    {"new": new, "update": update}[sys.argv[1]](sys.argv[2:])
