# SPDX-License-Identifier: MIT
"""Bytes between connections and the core, compiled with it: everything that happens for each packet."""
