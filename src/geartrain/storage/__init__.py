# SPDX-License-Identifier: MIT
"""Stores for background jobs: one interface, and a module for each engine behind it."""

# ruff: noqa: E402  # as in geartrain.server
from geartrain.platforms import require_server

require_server()

from geartrain.storage.sqlite import SQLiteStore
from geartrain.storage.store import CommitOutcome, Opened, Store, StoreError, open_store

__all__ = ["CommitOutcome", "Opened", "SQLiteStore", "Store", "StoreError", "open_store"]
