# SPDX-License-Identifier: MIT
"""Configuration of Sphinx, which builds the documentation in `make docs`."""

import sys
from pathlib import Path

from geartrain import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "Geartrain"
author = "The Geartrain maintainers"
copyright = author  # noqa: A001  # Sphinx requires this name
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_parser",
    "command_help",
    "name_links",
    "job_states",
    "packet_tables",
]
exclude_patterns = ["conftest.py", "extensions"]
nitpicky = False  # docstrings put the names of arguments in the same quotes as ours

default_role = "py:obj"  # `Client` in a docstring is a link
autodoc_default_options = {"members": True}
autoclass_content = "both"  # some options are described in __init__
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80

highlight_language = "none"  # a block without a language is a drawing
myst_enable_extensions = ["attrs_inline", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"Geartrain {__version__}"
html_static_path = ["static"]
html_css_files = ["geartrain.css"]
html_logo = "static/gears.svg"
html_favicon = "static/gears.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"sidebar_hide_name": False}
