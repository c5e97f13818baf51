"""Which texts name a domain or a mailbox?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.address import (
    AddressError,
    canonical_ip,
    domain_of,
    fold,
    literal_address,
    parse_address,
    parse_domain,
    without_route,
)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Acme.Example", "acme.example"),
        ("acme.example.", "acme.example"),
        ("bücher.example\u3002", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.acme.example", "_dmarc.acme.example"),
        ("localhost", "localhost"),
        ("1.2.example", "1.2.example"),
    ],
)
def test_a_domain_becomes_a_labels_in_lower_case(text: str, domain: str) -> None:
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "a..b", "-a.example", "a-.example", "a b.example", "a\r\n.example", "a/b.example",
        "a" * 64 + ".example", ".".join(["a" * 60] * 5), "[192.0.2.1]", "ü" * 70 + ".example",
        "a\x00.example", "\ud800.example", "a.example..",
    ],
)  # fmt: skip
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_domain(text)


@pytest.mark.parametrize(
    ("text", "local", "folded"),
    [
        ("Joe@Acme.Example", "Joe", "joe@acme.example"),
        ("o'hara+tag@acme.example", "o'hara+tag", "o'hara+tag@acme.example"),
        ("a/b=c@acme.example", "a/b=c", "a/b=c@acme.example"),
        ("..dots.@acme.example", "..dots.", "..dots.@acme.example"),
        ('"a @ b"@acme.example', '"a @ b"', '"a @ b"@acme.example'),
        ('"a\\"b"@acme.example', '"a\\"b"', '"a\\"b"@acme.example'),
        ("jürgen@bücher.example", "jürgen", "jürgen@xn--bcher-kva.example"),
        ("x" * 241 + "@acme.example", "x" * 241, "x" * 241 + "@acme.example"),
        ("ü" * 120 + "@acme.example", "ü" * 120, "ü" * 120 + "@acme.example"),
    ],
)
def test_an_address_keeps_its_local_part_and_is_compared_folded(
    text: str, local: str, folded: str
) -> None:
    address = parse_address(text)

    assert (address.local, address.folded) == (local, folded)
    assert fold(str(address)) == folded
    assert domain_of(text) == text.rpartition("@")[2].lower()


@pytest.mark.parametrize(
    ("text", "address", "folded"),
    [
        ("Joe@[192.0.2.1]", "Joe@[192.0.2.1]", "joe@[192.0.2.1]"),
        ("a@[IPV6:2001:DB8:0::1]", "a@[IPv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"),
    ],
)
def test_an_address_literal_may_stand_for_a_domain(text: str, address: str, folded: str) -> None:
    parsed = parse_address(text)

    assert (str(parsed), parsed.folded, fold(text.lower())) == (address, folded, fold(text))
    assert fold(address) == folded
    assert literal_address(parsed.domain) == literal_address(domain_of(address))


@pytest.mark.parametrize(
    ("path", "mailbox"),
    [
        ("@a.example:joe@b.example", "joe@b.example"),
        ("@a.example,@[192.0.2.1],@[IPv6:::1]:joe@b.example", "joe@b.example"),
        ("@a.example:postmaster", "postmaster"),
        ("joe@b.example", "joe@b.example"),
        ("@a.example", "@a.example"),
        ("@a.example,b.example:joe@b.example", "@a.example,b.example:joe@b.example"),
        ("@a@c:joe@b.example", "@a@c:joe@b.example"),
    ],
)
def test_a_source_route_is_taken_away_when_it_is_one(path: str, mailbox: str) -> None:
    assert without_route(path) == mailbox


@pytest.mark.parametrize(
    "text",
    [
        "", "joe", "@acme.example", "joe@", "a@b@acme.example", "a b@acme.example",
        "<joe@acme.example", 'jo"e@acme.example', '"joe@acme.example', "joe@[192.0.2.256]",
        "x" * 242 + "@acme.example", "ü" * 121 + "a@acme.example", "a\r@acme.example",
        "joe@[2001:db8::1]", "joe@[IPv6:192.0.2.1]", "joe@[IPv6:fe80::1%eth0]", "joe@[]", "joe@[x]",
        "joe@[192.0.2.1", "joe@192.0.2.1]", "joe@[[192.0.2.1]]", "joe@[IPv6:]", "joe@[ 192.0.2.1]",
        '"a\nb"@acme.example', "a\x85@acme.example", "a\ud800@acme.example", "a,b@acme.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text)


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address
    assert str(address).encode("utf-8")
    assert "\n" not in str(address)


@given(st.text(max_size=300))
def test_a_domain_that_was_accepted_is_accepted_again_unchanged(text: str) -> None:
    try:
        domain = parse_domain(text)
    except AddressError:
        return
    assert parse_domain(domain) == domain
    assert domain.isascii()
    assert len(domain) <= 253


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:0DB8:0:0::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_an_ip_address_has_one_form(text: str, canonical: str) -> None:
    assert canonical_ip(text) == canonical
