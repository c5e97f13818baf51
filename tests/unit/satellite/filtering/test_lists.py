"""Which list entry decides for whom, and does a forger gain by it?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.preferences import Document, Kind, Preferences
from common.verdict import Effect, Outcome, Test, Verdict
from satellite.authentication.results import (
    NOT_AUTHENTICATED,
    Authenticity,
    AuthResult,
    SpfOutcome,
)
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filters.lists import Lists
from satellite.filtering.inside import GivenInside, MailContent, NoInside
from tests.support.core.preferences import document, preferences, route
from tests.support.scanning.filtering import NOW_US, mail

WHITE = document(Kind.LIST, "white/cluster/s.example", reason="a partner", by="joe")
BLACK = document(Kind.LIST, "black/cluster/.example", reason="all of them")
ENVELOPE = document(Kind.POLICY, "cluster", **{"whitelist.proof": "envelope"})


def spf(result: AuthResult, domain: str = "s.example") -> Authenticity:
    return Authenticity(
        spf=SpfOutcome(result=result, domain=domain),
        dkim=(),
        dmarc=NOT_AUTHENTICATED.dmarc,
        arc=NOT_AUTHENTICATED.arc,
    )


PROVEN = spf(AuthResult.PASS)


class Asked:
    """The inside of a message whose sender somebody is asked for, and may not say."""

    def __init__(self, answer: Authenticity | Exception | None) -> None:
        self.answer = answer
        self.asked = 0

    def octets_at_hand(self) -> bytes | None:
        return None

    def content_at_hand(self) -> MailContent | None:
        return None

    async def octets(self, *, bytes_max: int) -> bytes:
        raise NoInside("nobody asks for them")

    async def content(self) -> MailContent:
        raise NoInside("nobody asks for it")

    async def authentication(self) -> Authenticity:
        self.asked += 1
        if self.answer is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer

    def close(self) -> None:
        """Nothing is held."""


async def verdicts(
    prefs: Preferences, *recipients: str, inside: Any = None, proof_s: float = 8.0, **more: Any
) -> tuple[Verdict, ...]:
    sent = mail(
        prefs,
        recipients=recipients or ("x@acme.example",),
        inside=inside or Asked(PROVEN),
        **({"sender": "a@s.example"} | more),
    )
    return await Lists(proof_s=proof_s).examine(sent)


async def found(prefs: Preferences, *recipients: str, **more: Any) -> tuple[Test, ...]:
    (verdict,) = await verdicts(prefs, *recipients, **more)
    return verdict.tests


async def test_an_entry_of_the_cluster_is_said_once_for_all() -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/.s.example", reason="sends junk"))

    (test,) = await found(prefs, "x@acme.example", "y@acme.example")

    assert (test.name, test.recipient, test.effect) == ("LIST_BLACK", None, Effect.BLOCK)
    assert test.detail == "black cluster .s.example: sends junk"


async def test_an_entry_of_one_recipient_is_that_ones_alone() -> None:
    prefs = preferences(document(Kind.LIST, "white/recipient/X@acme.example/s.example"))

    (test,) = await found(prefs, "X@acme.example", "y@acme.example")

    assert (test.name, test.recipient, test.effect) == (
        "LIST_WHITE",
        "x@acme.example",
        Effect.ALLOW,
    )


async def test_the_nearer_scope_decides_for_its_own() -> None:
    prefs = preferences(
        route(),
        document(Kind.LIST, "white/cluster/s.example"),
        document(Kind.LIST, "black/customer/acme/a@s.example"),
    )

    tests = await found(prefs, "x@acme.example", "z@other.example")

    assert {test.recipient: test.name for test in tests} == {
        "x@acme.example": "LIST_BLACK",
        "z@other.example": "LIST_WHITE",
    }


async def test_two_spellings_of_one_recipient_get_one_test() -> None:
    prefs = preferences(
        route(), document(Kind.LIST, "black/recipient/strasse@acme.example/s.example")
    )

    tests = await found(prefs, "straße@acme.example", "strasse@acme.example", "y@acme.example")

    assert [test.recipient for test in tests] == ["strasse@acme.example"]


async def test_an_entry_that_has_ended_does_not_count() -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/s.example", until_us=NOW_US))

    assert await found(prefs) == ()


async def test_a_reason_cannot_break_a_line() -> None:
    prefs = preferences(
        document(Kind.LIST, "black/cluster/s.example", reason="a\r\nb\x1b[2J", by="x\ny")
    )

    (test,) = await found(prefs)

    assert test.detail.isprintable()


async def test_it_says_who_added_an_entry_why_and_what_proves_the_sender() -> None:
    (test,) = await found(preferences(WHITE))

    assert test.detail == (
        "white cluster s.example (added by joe): a partner: spf pass for s.example"
    )


async def test_a_white_entry_does_not_help_a_forger() -> None:
    forged = Asked(spf(AuthResult.FAIL))

    (test,) = await found(preferences(WHITE), inside=forged)

    assert (test.name, test.effect, test.score) == ("LIST_WHITE_UNPROVEN", Effect.SCORE, 0.0)
    assert test.detail == (
        "white cluster s.example (added by joe): does not count:"
        " s.example does not answer for it: spf fail, dmarc none"
    )


async def test_behind_a_white_entry_without_a_proof_the_black_one_counts() -> None:
    tests = await found(preferences(WHITE, BLACK), inside=Asked(spf(AuthResult.FAIL)))

    assert [test.name for test in tests] == ["LIST_BLACK", "LIST_WHITE_UNPROVEN"]


@pytest.mark.parametrize(
    ("entries", "client"),
    [
        ((), "192.0.2.7"),
        ((BLACK,), "192.0.2.7"),
        ((WHITE, ENVELOPE), "192.0.2.7"),
        ((document(Kind.LIST, "white/cluster/192.0.2.0/24"),), "192.0.2.7"),
        ((document(Kind.LIST, "white/cluster/2001:db8::/32"),), "2001:db8::1"),
        ((document(Kind.LIST, "white/cluster/other.example"),), "192.0.2.7"),
        ((WHITE, document(Kind.LIST, "black/cluster/a@s.example")), "192.0.2.7"),
        ((WHITE, document(Kind.LIST, "white/domain/acme.example/192.0.2.7")), "192.0.2.7"),
    ],
)
async def test_nobody_is_asked_who_sent_mail_where_that_does_not_decide(
    entries: tuple[Document, ...], client: str
) -> None:
    inside = Asked(PROVEN)
    sent = mail(preferences(*entries), sender="a@s.example", client=client, inside=inside)

    assert Lists().examine_at_once(sent) == await Lists().examine(sent)
    assert inside.asked == 0


async def test_mail_whose_sender_matters_is_not_examined_at_once() -> None:
    inside = Asked(PROVEN)

    assert (
        Lists().examine_at_once(mail(preferences(WHITE), sender="a@s.example", inside=inside))
        is None
    )
    assert inside.asked == 0


async def test_the_policy_of_each_recipient_says_what_a_white_entry_needs() -> None:
    trusting = document(Kind.POLICY, "recipient/x@acme.example", **{"whitelist.proof": "envelope"})

    tests = await found(
        preferences(WHITE, trusting),
        "x@acme.example",
        "y@acme.example",
        inside=Asked(spf(AuthResult.FAIL)),
    )

    assert [(test.recipient, test.name) for test in tests] == [
        ("x@acme.example", "LIST_WHITE"),
        ("y@acme.example", "LIST_WHITE_UNPROVEN"),
    ]


@pytest.mark.parametrize(
    ("answer", "outcomes", "why"),
    [
        (spf(AuthResult.TEMPERROR), [Outcome.SCORED], "spf temperror"),
        (NoInside("no time"), [Outcome.SCORED, Outcome.UNAVAILABLE], "no time"),
        (OSError("down"), [Outcome.SCORED, Outcome.ERROR], "down"),
        (None, [Outcome.SCORED, Outcome.TIMEOUT], "no answer within 0 s"),
    ],
    ids=["dns", "no room", "defect", "silence"],
)
async def test_while_nobody_knows_who_sent_it_white_entries_do_not_count_and_black_ones_do(
    answer: Authenticity | Exception | None, outcomes: list[Outcome], why: str
) -> None:
    got = await verdicts(preferences(WHITE, BLACK), inside=Asked(answer), proof_s=0)

    assert [verdict.outcome for verdict in got] == outcomes
    black, unproven = got[0].tests
    assert (black.name, black.effect) == ("LIST_BLACK", Effect.BLOCK)
    assert (unproven.name, unproven.effect) == ("LIST_WHITE_UNPROVEN", Effect.SCORE)
    assert "could not be found out" in unproven.detail
    assert why in unproven.detail
    assert [verdict.by for verdict in got[1:]] == ["lists.proof"] * (len(got) - 1)


@pytest.mark.parametrize("answer", [PROVEN, spf(AuthResult.FAIL), NoInside("x"), OSError("x")])
async def test_it_conforms_whoever_sent_the_mail(answer: Authenticity | Exception) -> None:
    sent = mail(preferences(WHITE, BLACK), sender="a@s.example", inside=Asked(answer))

    await check_filter(Lists, Scene(mail=sent))


LIST_ID = document(Kind.LIST, r"black/cluster/header:List-Id:<junk\.[a-z]+>", reason="junk")


@pytest.mark.parametrize(
    ("header", "is_hit"),
    [
        (b"List-Id: some <junk.example>\r\n", True),
        (b"LIST-ID: =?utf-8?q?=3Cjunk.example=3E?=\r\n", True),
        (b"X: 1\r\nList-Id: a\r\nList-Id: <junk.b>\r\n", True),
        (b"Subject: <junk.example>\r\n", False),
        (b"List-Id: " + b"a" * 100_000 + b"\r\n", False),
    ],
)
async def test_a_header_pattern_matches_fields_of_its_name(header: bytes, is_hit: bool) -> None:
    tests = await found(preferences(LIST_ID), header=header)

    assert [test.name for test in tests] == ["LIST_BLACK"] * is_hit


async def test_a_header_proves_nothing() -> None:
    entry = document(Kind.LIST, r"white/cluster/header:from:@s\.example")
    header = b"From: a@s.example\r\n"

    (unproven,) = await found(preferences(entry), header=header)
    (white,) = await found(preferences(entry, ENVELOPE), header=header)

    assert unproven.name == "LIST_WHITE_UNPROVEN"
    assert "a header field proves no sender" in unproven.detail
    assert white.name == "LIST_WHITE"


async def test_a_pattern_that_would_stall_others_takes_no_time_to_speak_of() -> None:
    evil = document(Kind.LIST, "black/cluster/header:subject:(a*)*(a|a)*b$")
    header = b"Subject: " + b"a" * 60_000 + b"\r\n"

    assert await found(preferences(evil), header=header) == ()


async def test_what_was_given_to_try_mail_with_is_a_proof_like_any() -> None:
    inside = GivenInside(data=b"", authenticated=PROVEN)

    (test,) = await found(preferences(WHITE), inside=inside)

    assert test.name == "LIST_WHITE"
