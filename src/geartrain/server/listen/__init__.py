# SPDX-License-Identifier: MIT
"""Listening: sockets, accepting connections, the limit of connections, and TLS."""
