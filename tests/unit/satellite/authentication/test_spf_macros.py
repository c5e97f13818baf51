"""What do SPF's macros come to?"""

from __future__ import annotations

import ipaddress

import pytest

from satellite.authentication.spf_macros import SpfCase, expanded
from tests.support.network.given_dns import GivenDns

CASE = SpfCase(
    client=ipaddress.ip_address("192.0.2.3"),
    helo="mail.example.net",
    local="strong-bad",
    domain="email.example.com",
)
CASE6 = SpfCase(
    client=ipaddress.ip_address("2001:db8::cb01"),
    helo="mail.example.net",
    local="strong-bad",
    domain="email.example.com",
)


@pytest.mark.parametrize(  # as RFC 7208 section 7.4 has them
    ("spec", "becomes"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{h}", "mail.example.net"),
        ("%%%_%-x", "% %20x"),
        ("%{S}", "strong-bad%40email.example.com"),
    ],
)
def test_macros_are_replaced(spec: str, becomes: str) -> None:
    assert GivenDns().concluded(expanded(spec, CASE, "email.example.com")) == becomes


def test_an_ipv6_address_is_its_nibbles() -> None:
    found = GivenDns().concluded(expanded("%{ir}.%{v}._spf.%{d2}", CASE6, "email.example.com"))

    nibbles = "1.0.b.c" + ".0" * 20 + ".8.b.d.0.1.0.0.2"
    assert found == f"{nibbles}.ip6._spf.example.com"


def test_what_is_too_long_loses_labels_on_the_left() -> None:
    found = GivenDns().concluded(expanded("%{l}.%{d}", CASE, ".".join(["x" * 49] * 5)))

    assert found == ".".join(["x" * 49] * 5)


def test_the_clients_own_name_is_one_that_leads_back_to_it() -> None:
    dns = GivenDns(
        {
            "3.2.0.192.in-addr.arpa": {"PTR": ["forged.example.com", "mx.email.example.com"]},
            "forged.example.com": {"A": ["192.0.2.4"]},
            "mx.email.example.com": {"A": ["192.0.2.3"]},
        }
    )

    assert dns.concluded(expanded("%{p}", CASE, "email.example.com")) == "mx.email.example.com"
    assert GivenDns().concluded(expanded("%{p}", CASE, "email.example.com")) == "unknown"


def test_a_name_that_stands_in_a_record_hundreds_of_times_is_looked_for_once() -> None:
    dns = GivenDns(
        {
            "3.2.0.192.in-addr.arpa": {"PTR": ["mx.email.example.com"]},
            "mx.email.example.com": {"A": ["192.0.2.3"]},
        }
    )

    dns.concluded(expanded("%{p}" * 200 + ".example.com", CASE, "email.example.com"))

    assert len(dns.asked) == 2
