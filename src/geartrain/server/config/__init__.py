# SPDX-License-Identifier: MIT
"""What can be chosen about the server, and where a choice comes from: words, variables, files, defaults."""
