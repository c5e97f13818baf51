"""What is asked of a DNS list, and what does its answer mean?"""

from __future__ import annotations

import pytest

from satellite.filtering.listing import (
    Broken,
    Listed,
    NotListed,
    Reading,
    is_public,
    query_name,
    read_answer,
)

CODES = {"127.0.0.2": 4.0, "127.0.0.10": 1.5, "127.0.0.40": -6.0}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "7.2.0.192.zen.example"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.zen.example",
        ),  # RFC 5782 section 2.4
    ],
)
def test_the_address_is_reversed_before_the_zone(address: str, name: str) -> None:
    assert query_name(address, "zen.example") == name


@pytest.mark.parametrize(
    ("addresses", "reading"),
    [
        ((), NotListed()),
        (("127.0.0.3",), NotListed()),
        (("127.0.0.2",), Listed(("127.0.0.2",), 4.0)),
        (("127.0.0.10", "127.0.0.2"), Listed(("127.0.0.2", "127.0.0.10"), 4.0)),
        (("127.0.0.40", "127.0.0.2"), Listed(("127.0.0.2", "127.0.0.40"), -6.0)),
        (("127.0.0.1",), NotListed()),
    ],
)
def test_only_configured_codes_count_and_the_weightiest_decides(
    addresses: tuple[str, ...], reading: Reading
) -> None:
    assert read_answer(addresses, CODES) == reading


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.255.255.252",),
        ("127.255.255.254",),
        ("127.255.255.255",),
        ("127.255.255.1",),
        ("10.0.0.1",),
        ("203.0.113.5",),
        ("127.0.0.2", "127.255.255.254"),
        ("127.0.0.2", "203.0.113.5"),
    ],
)
def test_an_answer_that_no_list_gives_means_that_it_is_broken(addresses: tuple[str, ...]) -> None:
    assert isinstance(read_answer(addresses, CODES), Broken)


@pytest.mark.parametrize("address", ["192.0.2.7", "8.8.8.8", "2001:db8::1"])
def test_a_client_of_the_internet_is_looked_up(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1",
     "::1", "::", "fd00::1", "fe80::1", "0.0.0.0", "", "nonsense"],
)  # fmt: skip
def test_a_client_of_our_own_networks_is_not(address: str) -> None:
    assert not is_public(address)
