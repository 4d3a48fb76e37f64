# SPDX-License-Identifier: MIT
"""Record the transcripts of the job server.

::

    python -m tests.core.record update [NAME...]   keep the input, and replace the output by that of the current server
    python -m tests.core.record new [GROUP...]     generate the conversations of these groups, or all, from scratch

After a change that is meant to alter the packets to peers, run ``update``; `git diff` then shows the differences.
"""

import logging
import sys

from tests.core.conversation import Conversation
from tests.core.plans import PLANS
from tests.core.recorder import Recorder
from tests.core.transcript import FOLDER, load, perform, save


def new(names: list[str]) -> None:
    """Generate conversations, and write them to files."""
    for plan in PLANS:
        if not names or plan.name in names:
            for number in range(1, plan.count + 1):
                name = f"{plan.name}-{number:02}"
                recorder = Recorder(plan, name)
                recorder.record()
                save(FOLDER / f"{name}.txt", recorder.options, recorder.turns)


def update(names: list[str]) -> None:
    """Replay the input of transcripts, and replace their output by that of the current server."""
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
