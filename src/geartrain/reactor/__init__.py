# SPDX-License-Identifier: MIT
"""Connections and the flusher, between the event loop and the core: the hot path, compiled with the core."""
