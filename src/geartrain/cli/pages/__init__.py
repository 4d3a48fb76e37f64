# SPDX-License-Identifier: MIT
"""Files made from the declarations of options: man pages, completion of shells, sample configuration, reference.

``python -m geartrain.cli.pages`` writes them into the project's folders, and a test compares them with what is there.
"""
