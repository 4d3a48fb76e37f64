# SPDX-License-Identifier: MIT
"""Makes of a name in back quotes a link to its place in the reference: `Client.submit` is enough, in Markdown, too.

A name is one as users import it from ``geartrain``, with what belongs to it behind dots, or one with all its modules.
What is no name of ours stays as it is.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?=\(?\)?$)")


class LinkNames(SphinxTransform):
    """Wraps literals that look like names into references, which come to nothing where there is no such name."""

    default_priority = 500

    def apply(self, **options: object) -> None:
        """Go through a page."""
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
