# SPDX-License-Identifier: MIT
"""Options: their declaration, and the sources that they come from: command line, environment, files, defaults."""
