# SPDX-License-Identifier: MIT
"""What a C gearmand has left in its persistent queue, for an import (protocol 3.5).

One class for each of its modules, all alike: `jobs` reads, `delete` deletes what has been read, `close` lets go.
"""

from geartrain.storage.gearmand.queue import Queue, open_queue

__all__ = ["Queue", "open_queue"]
