# SPDX-License-Identifier: MIT
"""Persistent queues of a C gearmand, for an import (protocol 3.5).

One class for each of its modules, all alike: `jobs` reads, `delete` deletes what has been read, `close` closes.
"""

from geartrain.storage.gearmand.persistent_queue import Queue, open_queue

__all__ = ["Queue", "open_queue"]
