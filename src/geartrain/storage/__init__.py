# SPDX-License-Identifier: MIT
"""What survives a restart: one seam, and a module for each engine behind it."""

from geartrain.storage.sqlite import SQLiteStore
from geartrain.storage.store import Opened, Store, StoreError, open_store

__all__ = ["Opened", "SQLiteStore", "Store", "StoreError", "open_store"]
