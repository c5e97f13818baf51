"""What does a signature field say, and which ones cannot be verified at all?"""

from __future__ import annotations

import pytest

from satellite.authentication.dkim_signature import (
    DkimSignatureWrong,
    parse_arc_message_signature,
    parse_dkim_signature,
    parse_seal,
    tags_of,
)

GOOD = (
    b" v=1; a=rsa-sha256; d=Sender.Example; s=Test; c=relaxed; h=From : to:To; bh=YQ==;\r\n"
    b" b=Y W\r\n J=; i=a@news.sender.example; l=12; t=1; x=2; q=dns/txt; z=foo"
)


def test_all_tags_are_read() -> None:
    said = parse_dkim_signature(tags_of(GOOD))

    assert (said.domain, said.selector) == ("sender.example", "test")
    assert said.key_name == "test._domainkey.sender.example"
    assert (said.header_is_relaxed, said.body_is_relaxed) == (True, False)
    assert said.signed == (b"from", b"to", b"to")
    assert (said.body_digest, said.value) == (b"a", b"ab")
    assert (said.length, said.expires_s, said.is_of_subdomain) == (12, 2, True)


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        (b"v=1", b"v=2", "neutral"),
        (b"v=1;", b"", "neutral"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "permerror"),
        (b"a=rsa-sha256", b"a=dsa-sha256", "neutral"),
        (b"a=rsa-sha256;", b"", "neutral"),
        (b"d=Sender.Example", b"d=example", "neutral"),
        (b"d=Sender.Example", b"d=a..example", "neutral"),
        (b"d=Sender.Example", b"d=a\x00b.example", "neutral"),
        (b"s=Test", b"s=", "neutral"),
        (b"s=Test", b"s=a..b", "neutral"),
        (b"s=Test", b"s=a\x00b", "neutral"),
        (b"c=relaxed", b"c=nofws", "neutral"),
        (b"From", b"Date", "permerror"),
        (b"From", b":From", "neutral"),
        (b"From", b"From" + b":x" * 300, "neutral"),
        (b"bh=YQ==", b"bh=Y", "neutral"),
        (b"b=Y W", b"b=Y*W", "neutral"),
        (b"b=Y W", b"b=" + b"AAAA" * 400 + b"Y W", "neutral"),
        (b"news.sender.example", b"sender.example.evil.example", "permerror"),
        (b"news.sender.example", b"", "neutral"),
        (b"l=12", b"l=-1", "neutral"),
        (b"l=12", b"l=9999999999999", "neutral"),
        (b"x=2", b"x=1", "neutral"),
        (b"q=dns/txt", b"q=http", "neutral"),
        (b"v=1", b"v=1; v=1", "neutral"),
    ],
)
def test_what_cannot_be_verified_says_why(old: bytes, new: bytes, result: str) -> None:
    assert old in GOOD

    with pytest.raises(DkimSignatureWrong) as raised:
        parse_dkim_signature(tags_of(GOOD.replace(old, new, 1)))

    assert raised.value.result == result
    assert raised.value.what


def test_the_two_of_arc_have_an_instance() -> None:
    seal = b"i=1; a=rsa-sha256; d=lists.example; s=x; cv=none; b=YQ=="

    assert parse_arc_message_signature(tags_of(GOOD.replace(b"i=a@", b"i=1; y=a@"))).length == 12
    assert parse_seal(tags_of(seal)).domain == "lists.example"
    with pytest.raises(DkimSignatureWrong):
        parse_seal(tags_of(seal + b"; h=from"))
