# SPDX-License-Identifier: MIT
"""The directives ``packet-table`` and ``text-command-table``: the protocol, generated from its code."""

from collections.abc import Iterable, Sequence

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from geartrain.protocol import ARGUMENTS, Command
from geartrain.protocol.text import COMMANDS, ReplyKind


class PacketTable(Directive):
    """Table of the packet types in the content: number, name and fields."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        try:
            commands = [Command[name] for name in " ".join(self.content).split()]
        except KeyError as error:
            raise self.error(f"there is no packet type {error}") from None
        rows = [(str(int(command)), command.name, ", ".join(ARGUMENTS[command]) or "—") for command in commands]
        return [table(("Number", "Packet", "Fields"), rows)]


class TextCommandTable(Directive):
    """Table of the text commands."""

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        rows = [
            (command.value, arguments(shape.least, shape.most), ENDS[shape.reply])
            for command, shape in COMMANDS.items()
        ]
        return [table(("Command", "Arguments", "Reply"), rows)]


ENDS = {ReplyKind.LINE: "one line", ReplyKind.LISTING: "rows, then a line with a dot"}


def arguments(least: int, most: int | None) -> str:
    """Describe the allowed number of arguments."""
    if most is None:
        return "ignored"
    if most == 0:
        return "none"
    return str(most) if least == most else f"{least} to {most}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> nodes.table:
    """Return a table; names in it are set as code."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in titles), cols=len(titles))
    group += nodes.thead("", row(titles, code=False))
    group += nodes.tbody("", *(row(cells, code=True) for cells in rows))
    return nodes.table("", group)


def row(cells: Sequence[str], *, code: bool) -> nodes.row:
    """Return a row; with ``code``, cells that contain letters are set as code."""
    made = nodes.row()
    for cell in cells:
        is_name = code and any(letter.isalpha() for letter in cell)
        made += nodes.entry("", nodes.paragraph("", "", nodes.literal("", cell) if is_name else nodes.Text(cell)))
    return made


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("packet-table", PacketTable)
    app.add_directive("text-command-table", TextCommandTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
