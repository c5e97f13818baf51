"""What does our Authentication-Results field say?"""

from __future__ import annotations

from satellite.authentication.authenticator import UNREADABLE
from satellite.authentication.results import (
    NOT_AUTHENTICATED,
    ArcOutcome,
    Authenticity,
    AuthResult,
    DkimOutcome,
    DmarcOutcome,
    SpfOutcome,
)
from satellite.authentication.results_field import result_words

FULL = Authenticity(
    spf=SpfOutcome(result=AuthResult.PASS, domain="sender.example"),
    dkim=(
        DkimOutcome(
            result=AuthResult.PASS,
            domain="sender.example",
            selector="test",
            identity="@sender.example",
            algorithm="rsa-sha256",
            signature="aB+/c=",
        ),
        DkimOutcome(result=AuthResult.FAIL, domain="x.example", reason='the "body"\\ is not'),
    ),
    dmarc=DmarcOutcome(
        result=AuthResult.PASS,
        domain="sender.example",
        policy_domain="sender.example",
        policy="reject",
    ),
    arc=ArcOutcome(result=AuthResult.PASS, sealers=("lists.example", "relay.example")),
)


def test_each_result_is_told_with_what_it_is_about() -> None:
    assert [" ".join(words) for words in result_words(FULL)] == [
        "spf=pass smtp.mailfrom=sender.example",
        "dkim=pass header.d=sender.example header.i=@sender.example header.s=test"
        ' header.a=rsa-sha256 header.b="aB+/c="',
        'dkim=fail reason="the _body__ is not" header.d=x.example',
        "dmarc=pass (p=reject) header.from=sender.example",
        "arc=pass (sealed by lists.example, relay.example)",
    ]


def test_what_is_not_there_is_told_as_none_and_what_is_unknown_as_unknown() -> None:
    assert result_words(NOT_AUTHENTICATED) == (
        ("spf=none",),
        ("dkim=none",),
        ("dmarc=none",),
        ("arc=none",),
    )
    assert result_words(UNREADABLE)[0][0] == "spf=temperror"


def test_helo_is_told_where_it_was_asked_about() -> None:
    spf = SpfOutcome(result=AuthResult.FAIL, domain="mail.example", is_helo=True)
    told = result_words(
        Authenticity(spf=spf, dkim=(), dmarc=NOT_AUTHENTICATED.dmarc, arc=NOT_AUTHENTICATED.arc)
    )

    assert told[0] == ("spf=fail", "smtp.helo=mail.example")


def test_nothing_of_a_stranger_ends_a_value() -> None:
    evil = 'x"; dmarc=pass\r\nX: (y) \x00\xff'
    hostile = Authenticity(
        spf=SpfOutcome(result=AuthResult.FAIL, domain=evil, reason=evil),
        dkim=(
            DkimOutcome(
                result=AuthResult.FAIL,
                domain=evil,
                selector=evil,
                identity=evil,
                algorithm=evil,
                signature=evil,
                reason=evil,
            ),
        ),
        dmarc=DmarcOutcome(result=AuthResult.FAIL, domain=evil, reason=evil),
        arc=ArcOutcome(result=AuthResult.PASS, sealers=(evil,) * 100),
    )

    for words in result_words(hostile):
        told = " ".join(words)
        assert told.isascii()
        assert told.isprintable()
        for word in words:
            name, _, value = word.partition("=")
            if name != "reason":
                assert not set(";\\") & set(value)
                assert value.count('"') in (0, 2)
