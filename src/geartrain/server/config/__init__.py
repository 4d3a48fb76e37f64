# SPDX-License-Identifier: MIT
"""Options: their declarations, and their sources, which are command line, environment, files and defaults."""
