# SPDX-License-Identifier: MIT
"""Clients without a server: jobs are done by whoever submits them.

Only the way to the server is left out. What a client asks goes through its session, and what answers it are the packets
that a server and a worker would send, so that checks, codecs, events and errors are the real ones.
"""
