"""Which pattern rules match?"""

from __future__ import annotations

import pytest

from common.preferences import Kind, Preferences
from common.verdict import Test
from satellite.filtering.filters.rules import Rules
from tests.support.core.preferences import document, preferences, route
from tests.support.scanning.filtering import mail


def ruled(field: str, pattern: str, score: float = 2.5, scope: str = "cluster") -> Preferences:
    return preferences(
        route(),
        document(Kind.RULE, "no-pills", field=field, pattern=pattern, score=score, scope=scope),
    )


async def found(prefs: Preferences, header: bytes = b"", **more: object) -> tuple[Test, ...]:
    verdicts = await Rules().examine(mail(prefs, header=header, **more))  # type: ignore[arg-type]
    return tuple(test for verdict in verdicts for test in verdict.tests)


async def test_without_rules_there_is_nothing_to_say() -> None:
    assert await Rules().examine(mail(preferences())) == ()


@pytest.mark.parametrize(
    ("field", "pattern", "header"),
    [
        ("subject", "(?i)cheap pills", b"Subject: =?utf-8?q?CHEAP_pills?=\r\n"),
        ("sender", r"@s\.example$", b""),
        ("header:X-Mailer", "^Bulk", b"x-mailer : Bulk 1\r\n"),
        ("header:List-Id", "two", b"List-Id: one\r\nList-Id: two\r\n"),
    ],
)
async def test_a_rule_matches_the_field_that_it_names(
    field: str, pattern: str, header: bytes
) -> None:
    (test,) = await found(ruled(field, pattern), header, sender="a@s.example")

    assert (test.name, test.score, test.recipient) == ("RULE_NO_PILLS", 2.5, None)
    assert test.detail.startswith(f"rule no-pills (cluster): {field} has ")


async def test_a_rule_that_does_not_match_says_nothing() -> None:
    assert await found(ruled("subject", "pills"), b"Subject: bills\r\nX: pills\r\n") == ()


async def test_a_rule_of_one_customer_counts_for_its_recipients_alone() -> None:
    prefs = ruled("subject", "x", scope="customer/acme")

    tests = await found(prefs, b"Subject: x\r\n", recipients=("A@acme.example", "b@other.example"))

    assert [test.recipient for test in tests] == ["a@acme.example"]


async def test_a_rule_counts_once_for_two_spellings_of_one_recipient() -> None:
    prefs = ruled("subject", "x", scope="customer/acme")
    recipients = ("straße@acme.example", "strasse@acme.example", "b@other.example")

    tests = await found(prefs, b"Subject: x\r\n", recipients=recipients)

    assert [test.recipient for test in tests] == ["strasse@acme.example"]


async def test_a_rule_of_a_scope_with_no_recipient_here_is_not_tried() -> None:
    assert await found(ruled("subject", "x", scope="domain/other.example"), b"Subject: x\r\n") == ()


async def test_a_pattern_that_ruins_other_engines_takes_no_time() -> None:
    prefs = ruled("subject", "(a+)+$")

    assert await found(prefs, b"Subject: " + b"a" * 900 + b"b\r\n") == ()


async def test_half_a_surrogate_pair_in_the_sender_stops_no_rule() -> None:
    assert len(await found(ruled("sender", "@s"), sender="\udcff@s.example")) == 1


async def test_what_matched_is_shown_printable_and_short() -> None:
    (test,) = await found(ruled("subject", ".+"), "Subject: ü\r\n".encode() * 1)

    assert test.detail.isascii()
    assert len(test.detail) <= 256
