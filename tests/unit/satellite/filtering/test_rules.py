"""Which pattern rules match?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.preferences import Kind, Preferences
from common.records.bounds import TESTS_MAX
from common.verdict import Outcome, Test
from satellite.filtering.filter import check_verdicts
from satellite.filtering.filters.rules import Rules
from satellite.filtering.inside import ContentPart, GivenInside, MailContent, NoInside
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


class _Asked(GivenInside):
    """Has nothing at hand."""

    def content_at_hand(self) -> MailContent | None:
        return None


class _Away(_Asked):
    """Nobody can say what is inside."""

    async def content(self) -> MailContent:
        raise NoInside("there is no reader")


PART = ContentPart(
    media_type="application/pdf", kinds=("zip", "archive"), name="bill.pdf", size=1, sha256="0" * 64
)
CONTENT = MailContent(
    texts=("hello", "you have won"), urls=("http://evil.example/x",), parts=(PART,)
)


@pytest.mark.parametrize(
    ("field", "pattern"),
    [
        ("body", "(?i)you HAVE"),
        ("url", r"//evil\.example/"),
        ("attachment", r"\.pdf$"),
        ("attachment:kind", "^archive$"),
        ("attachment:type", "^application/"),
    ],
)
@pytest.mark.parametrize("inside", [GivenInside, _Asked])
async def test_a_rule_matches_what_is_inside(
    field: str, pattern: str, inside: type[GivenInside]
) -> None:
    prefs = ruled(field, pattern)

    (test,) = await found(prefs, inside=inside(data=b"", given=CONTENT))

    assert test.detail.startswith(f"rule no-pills (cluster): {field} has ")
    assert await found(ruled(field, "spoon"), inside=inside(data=b"", given=CONTENT)) == ()


def test_only_a_rule_on_what_is_inside_has_to_wait_and_only_where_it_is_not_at_hand() -> None:
    asked, given = _Asked(data=b"", given=CONTENT), GivenInside(data=b"", given=CONTENT)

    assert Rules().examine_at_once(mail(ruled("subject", "x"), inside=asked)) is not None
    assert Rules().examine_at_once(mail(ruled("body", "x"), inside=asked)) is None
    assert Rules().examine_at_once(mail(ruled("body", "x"), inside=given)) is not None


def test_a_rule_on_what_is_inside_does_not_wait_for_others_mail() -> None:
    prefs = ruled("body", "x", scope="domain/other.example")

    assert Rules().examine_at_once(mail(prefs, inside=_Asked(data=b""))) is not None


async def test_where_nobody_can_say_what_is_inside_the_other_rules_count() -> None:
    prefs = preferences(
        route(),
        document(Kind.RULE, "head", field="subject", pattern="x", score=1.0),
        document(Kind.RULE, "inner", field="body", pattern="x*", score=1.0),
    )

    verdicts = await Rules().examine(
        mail(prefs, header=b"Subject: x\r\n", inside=_Away(data=b"", given=CONTENT))
    )

    assert [(one.by, one.outcome) for one in verdicts] == [
        ("rules", Outcome.SCORED),
        ("rules.content", Outcome.UNAVAILABLE),
    ]
    assert [test.name for test in verdicts[0].tests] == ["RULE_HEAD"]
    assert "there is no reader" in verdicts[1].detail


@pytest.mark.parametrize(("field", "is_unknown"), [("attachment", True), ("body", False)])
async def test_a_rule_on_attachments_is_unknown_where_some_could_not_be_read(
    field: str, is_unknown: bool
) -> None:
    content = replace(CONTENT, unread=("encrypted: secret.zip",))

    verdicts = await Rules().examine(
        mail(ruled(field, "spoon"), inside=GivenInside(data=b"", given=content))
    )

    assert (verdicts[-1].outcome is Outcome.UNAVAILABLE) == is_unknown


async def test_a_text_that_ruins_other_engines_takes_no_time() -> None:
    content = MailContent(texts=("a" * 16_000 + "b",))

    assert await found(ruled("body", "(a+)+$"), inside=GivenInside(data=b"", given=content)) == ()


async def test_who_writes_to_very_many_does_not_make_rules_count_nothing() -> None:
    scoped = [
        document(Kind.RULE, f"a{n}", field="subject", pattern="x", score=1, scope="customer/acme")
        for n in range(3)
    ]
    of_all = document(Kind.RULE, "z", field="subject", pattern="x", score=1)
    prefs = preferences(route(), route("other.example", "other"), *scoped, of_all)
    many = (*(f"r{n}@acme.example" for n in range(999)), "b@other.example")

    rules, missing = check_verdicts(
        await Rules().examine(mail(prefs, header=b"Subject: x\r\n", recipients=many))
    )

    assert len(rules.tests) == TESTS_MAX
    assert (rules.tests[0].name, rules.tests[0].recipient) == ("RULE_Z", None)
    assert (missing.by, missing.outcome) == ("rules.many", Outcome.ERROR)
