# SPDX-License-Identifier: MIT
"""The process of gearmand: background, pid file, user, systemd, log, reloading, default paths."""
