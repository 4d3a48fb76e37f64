# SPDX-License-Identifier: MIT
"""The commands: each module reads the options of one program and starts an object of the library."""
