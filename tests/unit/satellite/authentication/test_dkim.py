"""Which DKIM signatures of a message verify?"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Literal

import pytest

from satellite.authentication.canonical import hashed_bodies
from satellite.authentication.dkim import SIGNATURES_MAX, ReadSignature, dkim_outcome, found_key
from satellite.authentication.dkim_signature import DkimSignature
from satellite.authentication.read_message import read_message
from satellite.authentication.results import DkimOutcome
from satellite.headers import HeaderBlock
from tests.mail.signed import dkim_signed
from tests.support.network.given_dns import GivenDns, txt
from tests.support.smtp.signing import key_record, signed

PLACE = "test._domainkey.sender.example"
DNS = {PLACE: txt(key_record())}
NOW_S = 1_800_000_000.0
PLAIN = (
    b"From: A <a@sender.example>\r\nTo: b@acme.example\r\nSubject: Hi\r\n there\r\n\r\n"
    b"Text  with \tblanks. \r\n\r\nMore.\r\n\r\n\r\n"
)
Form = Literal[b"simple", b"relaxed"]

# RFC 8463 appendix A: its message, its two signatures and its keys.
RFC_8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
RFC_8463_DNS = {
    "brisbane._domainkey.football.example.com": txt(
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ),
    "test._domainkey.football.example.com": txt(
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08"
        "a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKr"
        "M3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}


def outcomes(
    data: bytes, dns: GivenDns | None = None, *, now_s: float = NOW_S
) -> list[DkimOutcome]:
    dns = dns or GivenDns(DNS)
    message = read_message(HeaderBlock.parse(data))
    bodies = hashed_bodies([data[message.block.end :]], message.wanted_bodies)
    found = []
    for one in message.signatures:
        is_read = isinstance(one.said, DkimSignature)
        key = dns.concluded(found_key(one.said)) if isinstance(one.said, DkimSignature) else None
        assert is_read is (key is not None)
        found.append(dkim_outcome(one, key, message.block, bodies, now_s=now_s))
    return found


def results(data: bytes, dns: GivenDns | None = None, *, now_s: float = NOW_S) -> list[str]:
    return [str(one.result) for one in outcomes(data, dns, now_s=now_s)]


def test_both_signatures_of_the_rfc_verify_and_break_with_any_octet() -> None:
    dns = GivenDns(RFC_8463_DNS)

    assert results(RFC_8463, dns) == ["pass", "pass"]
    assert results(RFC_8463.replace(b"dinner", b"supper"), dns) == ["fail", "fail"]
    assert results(RFC_8463.replace(b"Joe.\r\n", b"Joe!\r\n"), dns) == ["fail", "fail"]
    swapped = GivenDns({name: RFC_8463_DNS[other] for name, other in _swapped()})
    assert results(RFC_8463, swapped) == ["fail", "fail"]


def _swapped() -> list[tuple[str, str]]:
    one, two = RFC_8463_DNS
    return [(one, two), (two, one)]


def test_the_signature_of_our_corpus_verifies() -> None:
    (found,) = outcomes(dkim_signed())

    assert (found.result, found.domain, found.selector) == ("pass", "sender.example", "test")
    assert len(found.signature) == 8


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_what_somebody_elses_library_signs_verifies(header: Form, body: Form) -> None:
    data = signed(PLAIN, forms=(header, body))

    assert results(data) == ["pass"]
    assert results(data.replace(b"Hi\r\n there", b"Hi\r\n\tthere")) == [
        "pass" if header == b"relaxed" else "fail"
    ]
    assert results(data.replace(b"with \tb", b"with b")) == [
        "pass" if body == b"relaxed" else "fail"
    ]
    assert results(data.replace(b"Hi", b"Ho")) == ["fail"]
    assert results(data + b"more\r\n") == ["fail"]
    assert results(data + b"\r\n") == ["pass"]


def test_a_second_field_above_the_signed_one_changes_nothing_and_below_it_breaks() -> None:
    """They are counted from the last one up; who wants it otherwise names the field twice."""
    data = signed(PLAIN)

    assert results(b"Subject: Other\r\n" + data) == ["pass"]
    assert results(data.replace(b"\r\n\r\n", b"\r\nSubject: Other\r\n\r\n", 1)) == ["fail"]


def test_a_body_of_which_a_part_is_not_signed_does_not_pass() -> None:
    data = signed(PLAIN, has_length=True)

    assert results(data) == ["pass"]
    (found,) = outcomes(data + b"<b>Buy!</b>\r\n")
    assert (found.result, found.reason) == ("policy", "a part of the body is not signed")


@pytest.mark.parametrize(
    ("records", "result", "why"),
    [
        ({}, "permerror", "there is no key"),
        ({PLACE: None}, "temperror", "DNS does not say"),
        ({PLACE: txt("v=DKIM1; p=")}, "permerror", "revoked"),
        ({PLACE: txt("rubbish", key_record())}, "pass", ""),
        ({PLACE: txt(*["rubbish"] * 9, key_record())}, "permerror", "wrong"),
        ({PLACE: txt(key_record("s=other; "))}, "permerror", "not for mail"),
    ],
)
def test_what_dns_has_instead_of_a_key(records: dict, result: str, why: str) -> None:  # type: ignore[type-arg]
    (found,) = outcomes(signed(PLAIN), GivenDns(records))

    assert found.result == result
    assert why in found.reason


def test_a_domain_that_tries_dkim_out_is_not_worse_off_than_one_without() -> None:
    dns = GivenDns({PLACE: txt(key_record("t=y; "))})

    assert results(signed(PLAIN), dns) == ["pass"]
    assert results(signed(PLAIN) + b"x\r\n", dns) == ["neutral"]


def test_a_key_for_its_very_domain_alone_is_for_no_other() -> None:
    dns = GivenDns({PLACE: txt(key_record("t=s; "))})

    assert results(signed(PLAIN, identity="@sender.example"), dns) == ["pass"]
    assert results(signed(PLAIN, identity="@news.sender.example"), dns) == ["permerror"]


def test_an_expired_signature_fails() -> None:
    data = signed(PLAIN)
    message = read_message(HeaderBlock.parse(data))
    (one,) = message.signatures
    assert isinstance(one.said, DkimSignature)
    bodies = hashed_bodies([data[message.block.end :]], message.wanted_bodies)
    key = GivenDns(DNS).concluded(found_key(one.said))
    ending = ReadSignature(one.span, replace(one.said, expires_s=1_000))

    in_time = dkim_outcome(ending, key, message.block, bodies, now_s=1_000.0)
    late = dkim_outcome(ending, key, message.block, bodies, now_s=1_001.0)

    assert (in_time.result, late.result, late.reason) == ("pass", "fail", "it has expired")


def test_of_a_thousand_signatures_a_few_are_looked_at_the_authors_first() -> None:
    dns = GivenDns(DNS)
    other = signed(PLAIN, domain="other.example")[: -len(PLAIN)]
    data = other * 40 + signed(PLAIN)

    found = outcomes(data, dns)

    assert len(found) == SIGNATURES_MAX
    assert (found[0].domain, found[0].result) == ("sender.example", "pass")
    assert len(dns.asked) == SIGNATURES_MAX
    assert len(outcomes(other * 1_000 + signed(PLAIN), GivenDns(DNS))) <= SIGNATURES_MAX


def test_what_a_stranger_writes_into_a_signature_is_shown_as_ascii_and_bounded() -> None:
    value = b"v=1; a=x\xff; d=\xc3\xa4\x00\x1b; s=" + b"y" * 5_000 + b"; b=\x07\x08"

    (found,) = outcomes(b"DKIM-Signature: " + value + b"\r\n" + PLAIN)

    assert found.result == "neutral"
    for text in (found.domain, found.selector, found.algorithm, found.signature, found.reason):
        assert text.isascii()
        assert text.isprintable() or not text
        assert len(text) <= 256


def test_a_huge_list_of_signed_fields_takes_no_huge_time() -> None:
    fields = b"".join(b"X%d: %d\r\n" % (n % 3, n) for n in range(4_000))
    names = b":".join([b"from"] + [b"x0"] * 199)
    signature = base64.b64encode(b"x" * 256)
    line = b"DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=test; h=" + names
    line += b"; bh=YQ==; b=" + signature + b"\r\n"

    assert results(line * 50 + fields + PLAIN) == ["fail"] * SIGNATURES_MAX
