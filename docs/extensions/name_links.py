# SPDX-License-Identifier: MIT
"""Links from names in back quotes to the reference, in Markdown too: `Client.submit` is enough.

A name is one that ``geartrain`` exports, with attributes after dots, or one with all its modules. Other names stay as
they are.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?=\(?\)?$)")


class LinkNames(SphinxTransform):
    """Wrap literals that look like names into references; a reference to an unknown name stays a literal."""

    default_priority = 500

    def apply(self, **options: object) -> None:
        """Transform one page."""
        for literal in list(self.document.findall(nodes.literal)):
            name = _NAME.match(literal.astext())
            if name is None or isinstance(literal.parent, addnodes.pending_xref | nodes.reference | nodes.title):
                continue
            reference = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=name[0], refexplicit=False, refwarn=False
            )
            reference["py:module"] = "geartrain"
            literal.replace_self(reference)
            reference += literal


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the transform."""
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
