# SPDX-License-Identifier: MIT
"""Packets and text commands from peers, by subject; each class has a table of the packets that it handles."""
