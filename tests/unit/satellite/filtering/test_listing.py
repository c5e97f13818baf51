"""How is a DNS list asked about an address, and what does its answer mean?"""

from __future__ import annotations

import pytest

from satellite.filtering.listing import (
    Broken,
    Listed,
    NotListed,
    Reading,
    code_of,
    is_public,
    label_of_address,
    read_answer,
)

CODES = tuple(
    code_of(text, points)
    for text, points in {"127.0.0.2": 4.0, "127.0.0.10": 1.5, "127.0.0.40": -6.0}.items()
)
# As SURBL and URIBL have them.
BITS = tuple(
    code_of(text, points, is_bit=True)
    for text, points in {"127.0.0.8": 5.0, "127.0.0.16": 6.0, "127.0.0.64": 3.0}.items()
)
# As DNSWL has them: the third octet is a kind of business, the last one how far it is trusted.
TRUST = (code_of("127.0.*.2", -2.0), code_of("127.0.*.3", -5.0))


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("192.0.2.7", "7.2.0.192"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2",
        ),  # RFC 5782 section 2.4
    ],
)
def test_the_address_is_reversed_before_the_zone(address: str, label: str) -> None:
    assert label_of_address(address) == label


@pytest.mark.parametrize(
    ("addresses", "reading"),
    [
        ((), NotListed()),
        (("127.0.0.3",), NotListed(("127.0.0.3",))),
        (("127.0.0.2",), Listed(("127.0.0.2",), 4.0)),
        (("127.0.0.10", "127.0.0.2"), Listed(("127.0.0.2", "127.0.0.10"), 4.0)),
        (("127.0.0.40", "127.0.0.2"), Listed(("127.0.0.2", "127.0.0.40"), -6.0)),
        (("127.0.0.10", "127.0.0.3"), Listed(("127.0.0.10",), 1.5)),
    ],
)
def test_only_configured_codes_count_and_the_weightiest_decides(
    addresses: tuple[str, ...], reading: Reading
) -> None:
    assert read_answer(addresses, CODES) == reading


@pytest.mark.parametrize(
    ("addresses", "reading"),
    [
        (("127.0.0.8",), Listed(("127.0.0.8",), 5.0)),
        (("127.0.0.72",), Listed(("127.0.0.8", "127.0.0.64"), 5.0)),
        (("127.0.0.80",), Listed(("127.0.0.16", "127.0.0.64"), 6.0)),
        (("127.0.0.4",), NotListed(("127.0.0.4",))),
    ],
)
def test_an_answer_of_bits_has_each_code_whose_bit_is_set(
    addresses: tuple[str, ...], reading: Reading
) -> None:
    assert read_answer(addresses, BITS) == reading


@pytest.mark.parametrize(
    ("address", "reading"),
    [
        ("127.0.5.3", Listed(("127.0.*.3",), -5.0)),
        ("127.0.10.2", Listed(("127.0.*.2",), -2.0)),
        ("127.0.10.0", NotListed(("127.0.10.0",))),
    ],
)
def test_a_star_stands_for_any_octet(address: str, reading: Reading) -> None:
    assert read_answer((address,), TRUST) == reading


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
        ("127.0.0.1",),
    ],
)
@pytest.mark.parametrize("codes", [CODES, BITS, TRUST], ids=["codes", "bits", "stars"])
def test_an_answer_that_no_list_gives_means_that_it_is_broken(
    addresses: tuple[str, ...], codes: tuple[object, ...]
) -> None:
    assert isinstance(read_answer(addresses, codes), Broken)  # type: ignore[arg-type]


def test_what_a_list_answers_to_those_whom_it_does_not_serve_is_configured() -> None:
    blocked = frozenset({"127.0.0.255"})

    assert isinstance(read_answer(("127.0.0.255",), BITS, blocked), Broken)
    assert read_answer(("127.0.0.255",), TRUST) == NotListed(("127.0.0.255",))


def test_a_list_whose_code_is_the_loopback_address_says_so() -> None:
    assert read_answer(("127.0.0.1",), (code_of("127.0.0.1", 2.0),)) == Listed(("127.0.0.1",), 2.0)


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
