# SPDX-License-Identifier: MIT
"""Durable background jobs: choosing a store, restoring jobs at the start, group commit, and closing the store."""
