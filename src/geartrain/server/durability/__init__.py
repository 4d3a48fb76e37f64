# SPDX-License-Identifier: MIT
"""Durable background jobs: the choice of a store, restoring at the start, group commit, and the end of it."""
