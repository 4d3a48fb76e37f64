# SPDX-License-Identifier: MIT
"""The directive ``job-states``: the transitions of a job, generated from the core's table."""

from collections.abc import Sequence

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from geartrain.core.outcome import TRANSITIONS, Event, JobState

MEANINGS = {
    Event.DELAY: "it was submitted for later",
    Event.ENQUEUE: "it was submitted, or its time has come",
    Event.START: "a worker grabbed it",
    Event.REQUEUE: "its worker was lost or too slow",
    Event.COMPLETED: "its worker sent a result",
    Event.FAILED: "its worker sent a failure",
    Event.EXCEPTION: "its worker sent an exception, or a result beyond a limit",
    Event.TIMED_OUT: "it was too slow, and may not be tried again",
    Event.WORKER_LOST: "its worker was lost, and it may not be tried again",
    Event.CANCELLED: "an administrator cancelled it",
    Event.ABANDONED: "its last client disconnected",
    Event.REVOKED: "the store did not take it",
}


class JobStates(Directive):
    """Table with a row for each event: from which states it leads to which."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        rows = []
        for event in Event:
            pairs = [(state, following) for (state, found), following in TRANSITIONS.items() if found is event]
            following = {state for _, state in pairs}
            rows.append((event.name, _names([state for state, _ in pairs]), _names(sorted(following)), MEANINGS[event]))
        return [_table(("Event", "From", "To", "Because"), rows)]


def _names(states: list[JobState]) -> str:
    return ", ".join(state.name.lower() for state in states)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in titles), cols=len(titles))
    group += nodes.thead("", _row(titles))
    group += nodes.tbody("", *(_row(cells) for cells in rows))
    return nodes.table("", group)


def _row(cells: Sequence[str]) -> nodes.row:
    made = nodes.row()
    for cell in cells:
        made += nodes.entry("", nodes.paragraph("", "", nodes.Text(cell)))
    return made


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("job-states", JobStates)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
