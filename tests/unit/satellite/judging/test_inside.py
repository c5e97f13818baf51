"""What is known of the inside of a message, and when?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from common.envelope import Envelope
from common.verdict import Verdict
from satellite.authentication.results import NOT_AUTHENTICATED, Authenticity, AuthResult, SpfOutcome
from satellite.filtering.filter import Mail
from satellite.filtering.inside import GivenInside, Inside, MailContent, NoInside
from satellite.headers import HeaderBlock
from satellite.judging.examination import ExaminingRooms
from satellite.judging.inside import LooksInside, MessageInside, known_authenticity
from satellite.scanning.sample import Sample
from tests.support.clock import FakeClock
from tests.support.core.preferences import preferences
from tests.support.judging.looks import GivenLooks, given_looks
from tests.support.scanning.messages import sample_of

PASSED = replace(NOT_AUTHENTICATED, spf=SpfOutcome(result=AuthResult.PASS, domain="a.example"))
ENVELOPE = Envelope(client_address="", helo="", sender="", recipients=("x@acme.example",))
SAMPLE = sample_of(b"Subject: hello\r\n\r\n")


class Silent(GivenLooks):
    async def authenticated(self, sample: Sample, envelope: Envelope) -> Authenticity:
        await asyncio.get_running_loop().create_future()
        return self.authentication


def inside_of(looks: LooksInside) -> MessageInside:
    return MessageInside(SAMPLE, ENVELOPE, looks)


async def test_who_answers_for_a_message_is_known_once_somebody_has_asked() -> None:
    inside = inside_of(given_looks(authentication=PASSED))
    assert known_authenticity(inside) is None

    assert await inside.authentication() is PASSED

    assert known_authenticity(inside) is PASSED
    assert known_authenticity(GivenInside(data=b"", authenticated=PASSED)) is None


async def test_what_did_not_come_to_an_end_is_not_known() -> None:
    given = Silent(given_looks().reader, PASSED)  # type: ignore[arg-type]
    inside = inside_of(LooksInside(reader=given, authenticator=given))
    asking = asyncio.ensure_future(inside.authentication())
    await asyncio.sleep(0)
    assert known_authenticity(inside) is None

    inside.close()

    with pytest.raises(NoInside):
        await asking
    assert known_authenticity(inside) is None


class Scanner:
    async def scan(self, sample: Sample, **_: object) -> tuple[Verdict, ...]:
        return ()

    def answered_since(self, name: str, began_s: float, *, size: int) -> bool:
        return False

    def died_alone(self, name: str, sha256: bytes) -> bool:
        return False

    def set_aside(self, verdict: Verdict, message: str) -> None: ...


class Asking:
    """Filters of which one asks who answers for the message, or none does."""

    def __init__(self, *, asks: bool) -> None:
        self._asks = asks

    def at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        return None

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        if self._asks:
            await mail.inside.authentication()
        return ()


@pytest.mark.parametrize(("asks", "known"), [(True, PASSED), (False, None)])
async def test_an_examination_tells_of_it_where_a_filter_has_asked(
    asks: bool, known: Authenticity | None
) -> None:
    looks = given_looks(authentication=PASSED)
    rooms = ExaminingRooms(Scanner(), Asking(asks=asks), looks, FakeClock())
    inside: Inside = rooms.inside_of(SAMPLE, ENVELOPE)
    mail = Mail(
        envelope=ENVELOPE,
        headers=HeaderBlock.parse(b"Subject: hello\r\n\r\n"),
        size=SAMPLE.size,
        preferences=preferences(),
        now_us=0,
        inside=inside,
    )

    said = await rooms.examined(SAMPLE, mail, {}, required={}, ages_max_us={})

    assert said.authenticity is known


class Looked(GivenLooks):
    looks = 0

    def content_at_hand(self, sample: Sample) -> MailContent | None:
        self.looks += 1
        return None


async def test_what_has_to_be_asked_for_is_not_looked_for_by_each_filter_again() -> None:
    given = Looked(MailContent(texts=("hello",)), PASSED)
    inside = inside_of(LooksInside(reader=given, authenticator=given))

    assert [inside.content_at_hand() for _ in range(3)] == [None] * 3
    assert given.looks == 1
    assert await inside.content() is inside.content_at_hand() is given.content
