# SPDX-License-Identifier: MIT
"""Addresses of database servers in URLs."""

from urllib.parse import urlsplit

import pytest

from geartrain.storage import StoreError
from geartrain.storage.address import Address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mysql://", Address("localhost", 3306, None, "", "", {})),
        ("mysql://db:1234/XjobsX/", Address("db", 1234, None, "", "XjobsX", {})),
        ("mysql://me:%2Fp@db/a%20b?x=1&y=2&x=3", Address("db", 3306, "me", "/p", "a b", {"x": "1", "y": "2"})),
    ],
)
def test_an_address_is_read(url: str, address: Address) -> None:
    assert Address.read(urlsplit(url), "MySQL", 3306) == address


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(StoreError, match="not a MySQL address: Port could not be cast"):
        Address.read(urlsplit("mysql://db:port"), "MySQL", 3306)
