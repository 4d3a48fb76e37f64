# SPDX-License-Identifier: MIT
"""Speaking to a loop from outside."""

import select
from functools import partial

from geartrain.worker.sync.mailbox import Mailbox


def test_letters_are_delivered_in_order_and_ring() -> None:
    mailbox = Mailbox()
    called: list[int] = []
    for number in range(3):
        assert mailbox.post(partial(called.append, number))

    assert select.select([mailbox.bell], [], [], 0)[0] == [mailbox.bell]
    mailbox.deliver()

    assert called == [0, 1, 2]
    assert select.select([mailbox.bell], [], [], 0)[0] == []
    mailbox.close()


def test_a_bell_that_rings_enough_loses_no_letter() -> None:
    mailbox = Mailbox()
    called: list[int] = []
    for number in range(20_000):
        mailbox.post(partial(called.append, number))

    mailbox.close()

    assert called == list(range(20_000))


def test_a_closed_mailbox_says_so() -> None:
    mailbox = Mailbox()
    mailbox.close()

    assert not mailbox.post(lambda: None)
