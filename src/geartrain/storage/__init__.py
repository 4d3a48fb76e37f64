# SPDX-License-Identifier: MIT
"""Stores for background jobs: one interface, and a module for each engine behind it."""

from geartrain.storage.sqlite import SQLiteStore
from geartrain.storage.store import CommitOutcome, Opened, Store, StoreError, open_store

__all__ = ["CommitOutcome", "Opened", "SQLiteStore", "Store", "StoreError", "open_store"]
