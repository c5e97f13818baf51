"""What does the filter ``content`` say of attachments, size and the mark for tests of filters?"""

from __future__ import annotations

import asyncio
from base64 import encodebytes
from dataclasses import replace
from typing import Any

import pytest

from common.preferences import Kind, Preferences
from common.verdict import Outcome, Test, Verdict
from satellite.filtering.conformance import Scene, check_filter, plain_mail
from satellite.filtering.filter import check_verdicts
from satellite.filtering.filters.content import ContentFilter
from satellite.filtering.inside import ContentPart, GivenInside, MailContent, NoInside
from satellite.scanning.risky import type_of_name
from tests.support.core.preferences import document, preferences, route
from tests.support.scanning.filtering import mail

MARK = b"JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-" + b"ANTI-UBE-TEST-EMAIL*C.34X\r\n"


class AskedInside(GivenInside):
    """Has nothing at hand; says what was given, or that it cannot be had."""

    def __init__(self, given: MailContent | Exception) -> None:
        content = MailContent() if isinstance(given, Exception) else given
        super().__init__(data=b"", given=content)
        self.failure = given if isinstance(given, Exception) else None
        self.asked = 0

    def octets_at_hand(self) -> bytes | None:
        return None

    def content_at_hand(self) -> MailContent | None:
        return None

    async def content(self) -> MailContent:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return self.given


def part(name: str, *kinds: str) -> ContentPart:
    return ContentPart(
        media_type="application/pdf",
        kinds=kinds,
        name=name,
        size=9,
        sha256="0" * 64,
        named_type=type_of_name(name) or "",
    )


def documented(**options: object) -> Preferences:
    return preferences(
        route(), document(Kind.FILTER, "files", kind="content", options=dict(options))
    )


def holding(*parts: ContentPart, unread: tuple[str, ...] = ()) -> AskedInside:
    return AskedInside(MailContent(parts=parts, unread=unread))


async def said(prefs: Preferences, inside: GivenInside, **more: Any) -> tuple[Verdict, ...]:
    return check_verdicts(await ContentFilter().examine(mail(prefs, inside=inside, **more)))


async def found(prefs: Preferences, inside: GivenInside, **more: Any) -> tuple[Test, ...]:
    return tuple(test for verdict in await said(prefs, inside, **more) for test in verdict.tests)


async def test_without_a_document_nothing_is_asked_and_nothing_said() -> None:
    inside = holding(part("x.exe"))

    assert ContentFilter().examine_at_once(mail(preferences(), inside=inside)) == ()
    assert inside.asked == 0


async def test_a_program_under_another_name_is_found_in_every_way_once() -> None:
    inside = holding(part("bill.pdf", "program"), part("a.pdf.exe", "program"), part("b.exe"))

    tests = await found(documented(), inside)

    assert [(test.name, test.score) for test in tests] == [
        ("CONTENT_FILES_PROGRAM", 5.0),
        ("CONTENT_FILES_DISGUISED", 3.0),
        ("CONTENT_FILES_DOUBLE", 3.0),
    ]
    assert tests[0].detail == "bill.pdf (program, application/pdf) is program"
    assert tests[2].detail.startswith("a.pdf.exe ")


async def test_a_document_says_what_counts_and_how_much() -> None:
    prefs = documented(types="archive", score=1.5, disguised=0)

    tests = await found(prefs, holding(part("x.exe"), part("a.jpg", "zip", "archive")))

    assert [(test.name, test.score) for test in tests] == [("CONTENT_FILES_ARCHIVE", 1.5)]


async def test_a_document_counts_for_the_recipients_of_its_scope() -> None:
    prefs = documented(scope="customer/acme")
    recipients = ("A@acme.example", "b@other.example")

    tests = await found(prefs, holding(part("x.exe")), recipients=recipients)

    assert [test.recipient for test in tests] == ["a@acme.example"]


async def test_nothing_is_asked_for_recipients_of_no_documents_scope() -> None:
    inside = holding(part("x.exe"))

    assert await said(documented(scope="domain/other.example"), inside) == ()
    assert inside.asked == 0


async def test_size_needs_no_look_inside() -> None:
    prefs = documented(score=0, double=0, disguised=0, bytes_max=10, large=2)
    inside = holding()

    (test,) = await found(prefs, inside)

    assert (test.name, test.score) == ("CONTENT_FILES_LARGE", 2.0)
    assert inside.asked == 0


async def test_what_is_at_hand_is_judged_at_once() -> None:
    given = GivenInside(data=b"", given=MailContent(parts=(part("x.exe"),)))

    verdicts = ContentFilter().examine_at_once(mail(documented(), inside=given))

    assert verdicts is not None
    assert [test.name for test in verdicts[0].tests] == ["CONTENT_FILES_PROGRAM"]


async def test_what_could_not_be_read_is_said_beside_what_was_found() -> None:
    inside = holding(part("x.exe"), unread=("encrypted: secret.zip",))

    first, second = await said(documented(), inside)

    assert (first.by, first.outcome, len(first.tests)) == ("files", Outcome.SCORED, 1)
    assert (second.by, second.outcome, second.tests) == ("files.unread", Outcome.UNAVAILABLE, ())
    assert second.detail == "attachments are not known: encrypted: secret.zip"


@pytest.mark.parametrize(
    "why", ["there is no reader", "no time for it", "unscannable: it held its reader for 7 s"]
)
async def test_what_nobody_can_say_is_unknown_and_gives_no_points(why: str) -> None:
    verdicts = await said(documented(bytes_max=1), AskedInside(NoInside(why)))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.SCORED, Outcome.UNAVAILABLE]
    assert [test.name for test in verdicts[0].tests] == ["CONTENT_FILES_LARGE"]  # that is known
    assert why in verdicts[1].detail


@pytest.mark.parametrize(
    "options",
    [{"types": "spoon"}, {"score": 1e9}, {"scope": "galaxy"}, {"colour": "red"}, {"members": "?"}],
)
async def test_a_document_that_cannot_be_read_is_an_error_that_is_seen(
    options: dict[str, Any],
) -> None:
    inside = holding(part("x.exe"))

    (verdict,) = await said(documented(**options), inside)

    assert (verdict.by, verdict.outcome, verdict.tests) == ("files", Outcome.ERROR, ())
    assert next(iter(options)) in verdict.detail
    assert inside.asked == 0


async def test_a_name_of_hostile_signs_is_shown_printable() -> None:
    (test,) = await found(documented(), holding(part("\u202e\r\nX: y" * 99 + ".exe")))

    assert test.detail.isascii()
    assert test.detail.isprintable()


@pytest.mark.parametrize(
    ("sign", "name", "score"), [(b"X", "GTUBE", 1000.0), (b"Y", "GTUBE_MARK", 5.0)]
)
async def test_the_mark_for_tests_of_filters_is_known_without_a_document(
    sign: bytes, name: str, score: float
) -> None:
    inside = GivenInside(data=b"Subject: x\r\n\r\nhello\r\n" + sign + MARK)

    verdicts = ContentFilter().examine_at_once(mail(preferences(), inside=inside))

    assert verdicts is not None
    assert [(test.name, test.score) for test in verdicts[0].tests] == [(name, score)]


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc", b"hello, this is a test: "])
@pytest.mark.parametrize(("sign", "name"), [(b"X", "GTUBE"), (b"Y", "GTUBE_MARK")])
@pytest.mark.parametrize("behind", [b"\r\n", b"\r\nand more"])
async def test_the_mark_is_known_in_base64_too(
    before: bytes, sign: bytes, name: str, behind: bytes
) -> None:
    head = b"Content-Transfer-Encoding: base64\r\n\r\n"
    body = encodebytes(before + sign + MARK.strip() + behind).replace(b"\n", b"\r\n")

    verdicts = ContentFilter().examine_at_once(
        mail(preferences(), inside=GivenInside(data=head + body))
    )

    assert verdicts is not None
    assert [test.name for verdict in verdicts for test in verdict.tests] == [name]


@pytest.mark.parametrize("data", [MARK, b"Q" + MARK, b"X" + MARK[:-20], b""])
async def test_what_only_looks_like_the_mark_is_none(data: bytes) -> None:
    assert ContentFilter().examine_at_once(mail(preferences(), inside=GivenInside(data=data))) == ()


async def test_it_conforms() -> None:
    inside = GivenInside(data=b"", given=MailContent(parts=(part("x.exe"),), unread=("a limit",)))
    scene = Scene(
        mail=replace(plain_mail(documented()), inside=inside),
        outcomes=(Outcome.SCORED, Outcome.UNAVAILABLE),
        tests=frozenset({"CONTENT_FILES_PROGRAM"}),
    )

    await check_filter(ContentFilter, scene)
