"""Which SPF records keep the grammar, and what do they say?"""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.authentication.results import AuthResult
from satellite.authentication.spf_record import (
    READ_LENGTH_MAX,
    Mechanism,
    SpfRecordWrong,
    parse_spf_record,
    spf_records,
)


def test_each_mechanism_is_read_with_its_qualifier() -> None:
    record = parse_spf_record(
        "v=spf1 +a -mx/24 ~ip4:192.0.2.0/24 ?include:_spf.example.org exists:%{i}.e.example "
        "ptr a:host.example/24//64 ip6:2001:db8::/32 redirect=other.example"
    )

    assert record.redirect == "other.example"
    assert record.mechanisms == (
        Mechanism(name="a", result=AuthResult.PASS),
        Mechanism(name="mx", result=AuthResult.FAIL, prefix4=24),
        Mechanism(
            name="ip4",
            result=AuthResult.SOFTFAIL,
            network=ipaddress.IPv4Network("192.0.2.0/24"),
        ),
        Mechanism(name="include", result=AuthResult.NEUTRAL, domain="_spf.example.org"),
        Mechanism(name="exists", result=AuthResult.PASS, domain="%{i}.e.example"),
        Mechanism(name="ptr", result=AuthResult.PASS),
        Mechanism(name="a", result=AuthResult.PASS, domain="host.example", prefix4=24, prefix6=64),
        Mechanism(
            name="ip6", result=AuthResult.PASS, network=ipaddress.IPv6Network("2001:db8::/32")
        ),
    )


@pytest.mark.parametrize(
    "terms",
    [
        "all:example.org",
        "a:",
        "a:example",
        "a:example.123",
        "a:exa mple.org:8080",
        "mx/33",
        "a/024",
        "a//129",
        "ip4:192.0.2.1/255.255.255.0",
        "ip4:192.0.2",
        "ip6:fe80::1%eth0",
        "ip6:192.0.2.1",
        "include",
        "exists:%{x}.example.org",
        "exists:%{d0}.example.org",
        "exists:%example.org",
        "exists:%{c}.example.org",
        "redirect=a.example redirect=b.example",
        "redirect=",
        "unknown",
        "-",
        "=x",
        "foo=%z",
        "a:ex\xe4mple.org",
        " ".join(["ip4:192.0.2.1"] * 501),
        "a:" + "x" * 1200 + ".example",
    ],
)
def test_what_breaks_the_grammar_is_refused_whatever_stands_before(terms: str) -> None:
    with pytest.raises(SpfRecordWrong):
        parse_spf_record(f"v=spf1 ip4:192.0.2.7 {terms}")


@pytest.mark.parametrize(
    "terms", ["", "foo=bar", "exp=why.example", "a:%{d2}", "a:%%%{o}", "a:_x.example.", "A MX"]
)
def test_what_keeps_it_is_read(terms: str) -> None:
    assert parse_spf_record(f"V=SPF1  {terms} ").redirect == ""


def test_only_records_of_version_1_are_records() -> None:
    texts = ["v=spf1", "v=spf10 a", "v=spf1 a", "spf2.0/pra a", " v=spf1", "v=SPF1 -all"]

    assert spf_records(texts) == ["v=spf1", "v=spf1 a", "v=SPF1 -all"]


@given(st.text(alphabet="aimxp4:/%{}.-_=+~? 0129drRlo\x00\xff", max_size=60))
def test_no_record_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(SpfRecordWrong):
        parse_spf_record("v=spf1 " + text)


def test_a_long_record_is_not_kept_ready_since_it_takes_much_memory() -> None:
    usual = "v=spf1 ip4:192.0.2.1 -all"
    long = "v=spf1" + " ip4:192.0.2.1" * (READ_LENGTH_MAX // 10)

    assert parse_spf_record(usual) is parse_spf_record(usual)
    assert parse_spf_record(long) == parse_spf_record(long)
    assert parse_spf_record(long) is not parse_spf_record(long)
