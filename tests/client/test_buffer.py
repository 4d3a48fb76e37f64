# SPDX-License-Identifier: MIT
"""The buffers of a job's readers."""

import pytest

from geartrain import Data, EventsLost, Warn
from geartrain.client.buffer import EventBuffer, EventReaders


def taken(buffer: EventBuffer) -> list[object]:
    """Return the events that a reader can take now."""
    return list(iter(buffer.take, None))


def test_each_reader_gets_all_events_from_its_first_one_on() -> None:
    readers = EventReaders(1 << 20)
    readers.put(Data(b"1"))
    first = readers.open()
    second = readers.open()
    readers.put(Data(b"2"))

    assert taken(second) == [Data(b"2")]
    assert taken(first) == [Data(b"1"), Data(b"2")]


def test_the_next_reader_goes_on_where_the_last_one_stopped() -> None:
    readers = EventReaders(1 << 20)
    first, second = readers.open(), readers.open()
    readers.put(Data(b"1"))
    readers.close(first)
    assert taken(second) == [Data(b"1")]
    readers.put(Data(b"2"))
    readers.close(second)
    readers.put(Warn(b"3"))
    readers.end()

    third, fourth = readers.open(), readers.open()
    assert taken(third) == [Data(b"2"), Warn(b"3")]
    assert not third.is_waiting
    assert not fourth.is_waiting


def test_a_slow_reader_loses_its_own_events_only() -> None:
    readers = EventReaders(1000)
    slow, quick = readers.open(), readers.open()
    for _ in range(10):
        readers.put(Data(bytes(200)))
        assert taken(quick) == [Data(bytes(200))]

    with pytest.raises(EventsLost):
        slow.take()
