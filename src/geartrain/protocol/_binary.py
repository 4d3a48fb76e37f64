# SPDX-License-Identifier: MIT
"""Numbers and buffers of bytes: librt's where the package is compiled, plain Python where it is interpreted.

mypyc takes the names of the first branch and makes native instructions of them, so compiled modules never call
anything in here. Interpreted modules take the second branch, which behaves the same; the tests of `Reader` and `Writer`
run over both. This module itself is never compiled.
"""

from typing import TYPE_CHECKING

__all__ = [
    "BytesWriter",
    "find_nul",
    "read_i32_be",
    "read_i64_be",
    "write_i32_be",
    "write_i64_be",
]

if TYPE_CHECKING:
    from librt.strings import BytesWriter, read_i32_be, read_i64_be, write_i32_be, write_i64_be

    from geartrain.protocol.scan import find_nul
else:

    class BytesWriter:
        """A buffer that grows at its end, and can be cut."""

        __slots__ = ("_data",)

        def __init__(self):
            self._data = bytearray()

        def __len__(self):
            return len(self._data)

        def append(self, byte):
            self._data.append(byte)

        def write(self, data):
            self._data += data

        def getvalue(self):
            return bytes(self._data)

        def truncate(self, size):
            del self._data[size:]

    def read_i32_be(data, index):
        return int.from_bytes(data[index : index + 4], "big", signed=True)

    def read_i64_be(data, index):
        return int.from_bytes(data[index : index + 8], "big", signed=True)

    def write_i32_be(writer, number):
        writer.write(number.to_bytes(4, "big", signed=True))

    def write_i64_be(writer, number):
        writer.write(number.to_bytes(8, "big", signed=True))

    def find_nul(data, start, end):
        return data.find(b"\0", start, end)
