# SPDX-License-Identifier: MIT
"""Eager clients: clients without a server, which run each job when it is submitted.

Only the connection to the server is left out. Requests go through the client's session, and the packets that a server
and a worker would send come back through it, so that checks, codecs, events and errors are the real ones.
"""
