"""A client is its /24 or /64, wherever it is counted."""

from __future__ import annotations

import pytest

from common.client_network import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.0", "192.0.2.0/24"),
        ("192.0.2.255", "192.0.2.0/24"),
        ("192.0.3.0", "192.0.3.0/24"),
        ("2001:db8::", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
    ],
)
def test_a_network_is_a_slash_24_or_a_slash_64(address: str, network: str) -> None:
    assert network_of(address) == network
