"""When is a message one of many copies, and when is that no matter?"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from common.preferences import Document, Kind
from common.verdict import Outcome, Test, Verdict
from satellite.authentication.results import NOT_AUTHENTICATED, AuthResult, DkimOutcome
from satellite.filtering.checksum_keys import KnownList, checksums_of, list_id
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filters.checksums import Checksums, build
from satellite.filtering.inside import ContentPart, GivenInside, MailContent, NoInside
from satellite.scanning.fuzzy_digest import fuzzy_of_text
from satellite.tallies.shared_tallies import SharedTallies
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, preferences
from tests.support.scanning.filtering import context, mail

OFFER = " ".join(
    f"we offer the {word} lamp to everybody who lives near the old harbour"
    for word in ("red", "green", "blue", "tall", "small", "bright", "dim", "round", "flat", "new")
)
OTHER = " ".join(
    f"the {word} of the choir meets on monday to choose songs for the winter"
    for word in ("leader", "tenor", "alto", "bass", "treasurer", "pianist", "guest", "founder")
)
FILE = ContentPart(
    media_type="application/pdf", kinds=("pdf",), name="a.pdf", size=5000, sha256="a" * 64
)
PICTURE = replace(FILE, media_type="image/png", kinds=(), name="logo.png", sha256="b" * 64)


def content(text: str, *parts: ContentPart) -> MailContent:
    return MailContent(texts=(text,), parts=parts, fuzzy=fuzzy_of_text(text))


def bulk(name: str = "bulk", /, **options: Any) -> Document:
    return document(Kind.FILTER, name, kind="checksums", options={"limit": 3} | options)


class House:
    """One worker's filter with its counts."""

    def __init__(self, *documents: Document) -> None:
        self.tallies = SharedTallies("scout", clock=FakeClock(), salt=1, life="0" * 16)
        self.filter = Checksums(context(tallies=self.tallies))
        self.prefs = preferences(*(documents or (bulk(),)))
        self._ids = count(1)

    async def verdict(
        self, given: MailContent, *, signed_by: str = "", header: bytes = b"", **more: Any
    ) -> Verdict:
        more.setdefault("identifier", f"m{next(self._ids)}")
        dkim = (DkimOutcome(result=AuthResult.PASS, domain=signed_by),) if signed_by else ()
        inside = GivenInside(
            data=b"", given=given, authenticated=replace(NOT_AUTHENTICATED, dkim=dkim)
        )
        (verdict,) = await self.filter.examine(
            mail(self.prefs, inside=inside, header=header or b"Subject: x\r\n", **more)
        )
        return verdict

    async def tests(self, given: MailContent, **more: Any) -> tuple[Test, ...]:
        return (await self.verdict(given, **more)).tests

    async def take(self, number: int, given: MailContent, **more: Any) -> None:
        for _ in range(number):
            await self.tests(given, **more)


async def test_without_a_limit_nobody_is_asked_for_the_content() -> None:
    checksums = Checksums(context())

    assert checksums.examine_at_once(mail(preferences())) == ()
    assert await checksums.examine(mail(preferences())) == ()


async def test_copies_of_a_text_are_bulk_above_the_limit() -> None:
    house = House()
    await house.take(3, content(OFFER))

    (test,) = await house.tests(content(OFFER))

    assert (test.name, test.score) == ("CHECKSUMS_BULK", 2.0)
    assert test.detail.startswith("its text: 4 copies in 86400 s (this worker alone), limit 3.0; ")
    assert await house.tests(content(OTHER)) == ()


async def test_blanks_and_case_make_no_other_text() -> None:
    house = House()
    await house.take(3, content(OFFER))

    (test,) = await house.tests(content(OFFER.upper().replace(" ", "\n  ")))

    assert test.name == "CHECKSUMS_BULK"


async def test_copies_with_small_changes_are_near() -> None:
    house = House()
    for number in range(3):
        await house.tests(content(f"Dear customer {number}. {OFFER} https://x.example/{number}"))

    (test,) = await house.tests(content(f"Dear Mr Smith. {OFFER} https://x.example/77"))

    assert (test.name, test.score) == ("CHECKSUMS_BULK_NEAR", 1.5)
    assert "m1:" in test.detail


async def test_a_file_that_comes_with_different_texts_is_bulk() -> None:
    house = House()
    for number in range(3):
        await house.tests(content(f"see {number}", FILE))

    (test,) = await house.tests(content("look here", FILE))

    assert test.detail.startswith("a.pdf: 4 copies")


async def test_pictures_are_counted_only_where_the_document_says_so() -> None:
    logos, all_parts, text = House(), House(bulk(parts="all")), House(bulk(parts="text"))
    for house in (logos, all_parts, text):
        for number in range(4):
            await house.tests(content(f"mail {number}", PICTURE, FILE))

    assert "a.pdf" in (await logos.tests(content("one more", PICTURE, FILE)))[0].detail
    assert await logos.tests(content("one more", PICTURE)) == ()
    assert await all_parts.tests(content("one more", PICTURE)) != ()
    assert await text.tests(content("one more", PICTURE, FILE)) == ()


async def test_a_short_text_and_a_small_file_are_nobodys_copies() -> None:
    house = House()
    small = replace(FILE, size=100)

    await house.take(9, content("Thank you!", small))

    assert await house.tests(content("Thank you!", small)) == ()


async def test_a_message_that_waits_counts_once() -> None:
    house = House()

    await house.take(9, content(OFFER), identifier="waiting")

    assert await house.tests(content(OFFER)) == ()


async def test_what_was_seen_at_another_site_counts_and_single_mail_stays_there() -> None:
    here, there = House(), House()
    await there.take(1, content(OTHER))
    assert there.tallies.untold() == ()

    await there.take(3, content(OFFER))
    here.tallies.heard(there.tallies.untold())

    (test,) = await here.tests(content(OFFER))
    assert "4 copies in 86400 s (all sites)" in test.detail
    (near,) = await here.tests(content(f"Hello. {OFFER}"))
    assert near.name == "CHECKSUMS_BULK_NEAR"


# --- what is wanted ---------------------------------------------------------------------------

NEWS = b"Subject: x\r\nList-Id: Our news <news.shop.example>\r\n"


async def test_a_known_digest_is_no_bulk_and_another_file_with_it_is() -> None:
    known = content(OFFER)
    (exact, near) = checksums_of(known, parts="files")
    for word in (exact.digest, near.digest):
        house = House(bulk(known=f"{word} {'c' * 64}"))
        await house.take(9, content(OFFER, FILE))

        assert await house.tests(known) == (), word
        assert "a.pdf" in (await house.tests(content(OFFER, FILE)))[0].detail


async def test_what_is_known_may_stand_in_a_document_of_its_own() -> None:
    (exact, _) = checksums_of(content(OFFER), parts="files")
    wanted = document(Kind.FILTER, "wanted", kind="checksums", options={"known": exact.digest})
    house = House(bulk(), wanted)

    await house.take(9, content(OFFER))

    assert await house.tests(content(OFFER)) == ()


@pytest.mark.parametrize(
    ("known", "signed_by", "is_wanted"),
    [
        ("list:news.shop.example", "shop.example", True),
        ("list:news.shop.example", "news.shop.example", True),
        ("list:news.shop.example", "", False),
        ("list:news.shop.example", "evil.example", False),
        ("list:news.shop.example", "example", False),
        ("list:news.shop.example@sender.example", "mail.sender.example", True),
        ("list:news.shop.example@sender.example", "shop.example", False),
        ("list:other.example", "shop.example", False),
    ],
)
async def test_a_list_that_is_wanted_has_to_be_signed_by_its_own(
    known: str, signed_by: str, is_wanted: bool
) -> None:
    house = House(bulk(known=known))
    await house.take(9, content(OFFER))

    tests = await house.tests(content(OFFER), header=NEWS, signed_by=signed_by)

    assert (tests == ()) is is_wanted


@pytest.mark.parametrize(
    ("field", "identifier"),
    [
        ("News <news.Shop.example>", "news.shop.example"),
        (None, ""),
        ("", ""),
        ("news.shop.example", ""),
        ("<a b>", ""),
        ("<" + "x" * 300 + ">", ""),
    ],
)
def test_the_identifier_of_a_list(field: str | None, identifier: str) -> None:
    assert list_id(field) == identifier


def test_nobody_signs_for_a_whole_top_level_domain() -> None:
    assert not KnownList("news.example").is_signed_by("example")


# --- what is wrong ----------------------------------------------------------------------------


class ClosedInside(GivenInside):
    """A message that nobody can look into."""

    def content_at_hand(self) -> MailContent | None:
        return None

    async def content(self) -> MailContent:
        raise NoInside("there was no time for it")


class LateInside(GivenInside):
    """A message whose content has to be asked for."""

    def content_at_hand(self) -> MailContent | None:
        return None


async def test_what_nobody_can_look_into_is_neither_bulk_nor_not() -> None:
    house = House()

    (verdict,) = await house.filter.examine(mail(house.prefs, inside=ClosedInside(data=b"")))

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert verdict.tests == ()
    assert "no time" in verdict.detail


async def test_content_that_is_not_at_hand_is_asked_for() -> None:
    house = House()
    late = mail(house.prefs, inside=LateInside(data=b"", given=content(OFFER)))

    assert house.filter.examine_at_once(late) is None
    assert (await house.filter.examine(late))[0].outcome is Outcome.SCORED


@pytest.mark.parametrize(
    "odd",
    [
        MailContent(),
        MailContent(fuzzy="no digest"),
        MailContent(texts=("\ud800" * 200,)),
        MailContent(texts=("x" * 16_384,), is_whole=False),
        MailContent(parts=(replace(FILE, sha256="not hex"),)),
        MailContent(parts=(replace(FILE, fuzzy="m1:zz"),) * 100),
    ],
)
async def test_odd_content_gets_no_points(odd: MailContent) -> None:
    verdict = await House().verdict(odd)

    assert (verdict.outcome, verdict.tests) == (Outcome.SCORED, ())


@pytest.mark.parametrize(
    "options",
    [{"limit": 1}, {"limit": 5, "known": "abc"}, {"limit": 5, "parts": "some"}, {"limits": 5}],
)
async def test_a_document_that_says_what_none_may_is_an_error(options: dict[str, Any]) -> None:
    verdict = await House(bulk(**options)).verdict(content(OFFER))

    assert (verdict.outcome, verdict.tests) == (Outcome.ERROR, ())
    assert verdict.detail


async def test_it_conforms() -> None:
    scene = Scene(
        mail=mail(preferences(bulk()), inside=GivenInside(data=b"", given=content(OFFER))),
        outcomes=(Outcome.SCORED,),
    )

    await check_filter(lambda: build(None, context()), scene)
