"""What is a message's content to the worker, and what when the reader does not say?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest

from common.clock import SystemClock
from common.envelope import Envelope
from common.ids import MessageId
from satellite.filtering.inside import NoInside
from satellite.judging.content_reader import REMEMBERED_MAX, ContentReader
from satellite.judging.inside import LooksInside, MessageInside
from satellite.scanning.helper import Helper, Unscannable
from satellite.scanning.sample import Sample
from satellite.scanning.spawned import HelperUnavailable
from tests.support.judging.looks import given_looks

PAGE = b"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>hello <a href=//a.example>you</a>"
PLAIN = b"Subject: x\r\n\r\nhello\r\n"
ANSWER: dict[str, Any] = {
    "texts": ["hello"],
    "urls": [],
    "parts": [
        {
            "media_type": "a/b",
            "kinds": ["program"],
            "name": "x",
            "size": 1,
            "sha256": "0" * 64,
            "fuzzy": "",
            "named_type": "",
            "depth": 0,
        }
    ],
    "fuzzy": "",
    "is_whole": True,
    "unread": [],
}


class AnsweringHelper(Helper):
    """Answers as a test says, and counts."""

    def __init__(self, answer: object) -> None:
        super().__init__(clock=SystemClock())
        self.answer = answer
        self.asked = 0

    async def ask(self, job: str, sample: Sample, *, deadline_s: float) -> dict[str, Any]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def sample(data: bytes) -> Sample:
    return Sample(id=MessageId("m"), size=len(data), sha256=sha256(data).digest(), data=data)


@pytest.fixture
async def real() -> AsyncIterator[ContentReader]:
    helper = Helper(clock=SystemClock())
    yield ContentReader(helper)
    await helper.close()


async def test_the_isolated_helper_reads_a_page(real: ContentReader) -> None:
    content = await real.content_of(sample(PAGE))

    assert content.texts == ("hello you",)
    assert content.urls == ("http://a.example",)
    assert [part.media_type for part in content.parts] == ["text/html"]
    assert content.is_whole


async def test_plain_text_needs_no_helper() -> None:
    helper = AnsweringHelper(HelperUnavailable("never asked"))
    reader = ContentReader(helper)

    content = reader.content_at_hand(sample(PLAIN))

    assert content is not None
    assert content.texts == ("hello",)
    assert await reader.content_of(sample(PLAIN)) is content
    assert helper.asked == 0


async def test_a_message_that_is_judged_again_is_not_read_again() -> None:
    helper = AnsweringHelper(ANSWER)
    reader = ContentReader(helper)

    assert reader.content_at_hand(sample(PAGE)) is None
    content = await reader.content_of(sample(PAGE))

    assert await reader.content_of(sample(PAGE)) is content
    assert reader.content_at_hand(sample(PAGE)) is content
    assert helper.asked == 1
    assert content.parts[0].kinds == ("program",)


async def test_no_more_are_remembered_than_there_is_room_for() -> None:
    reader = ContentReader(AnsweringHelper(ANSWER))

    for number in range(REMEMBERED_MAX + 1):
        await reader.content_of(sample(PAGE + b"%d" % number))

    assert reader.content_at_hand(sample(PAGE + b"0")) is None
    assert reader.content_at_hand(sample(PAGE + b"1")) is not None


def inside_of(helper: Helper) -> MessageInside:
    looks = LooksInside(reader=ContentReader(helper), authenticator=given_looks().authenticator)
    envelope = Envelope(client_address="192.0.2.1", helo="h", sender="", recipients=("a@b.test",))
    return MessageInside(sample(PAGE), envelope, looks)


def changed(**more: object) -> dict[str, object]:
    return {**ANSWER, **more}


def part_with(**more: object) -> dict[str, object]:
    return changed(parts=[{**ANSWER["parts"][0], **more}])


FAULTS = {
    "no helper": HelperUnavailable("the helper process cannot be started"),
    "no time": HelperUnavailable("the helper process had no time for it within 8 s"),
    "ended by the message": Unscannable("unscannable: it held its helper process for 7 s, 2 times"),
    "nothing": {},
    "a list": [1],
    "another job's": {"types": [], "is_whole": True},
    "more than asked": changed(extra=1),
    "no texts": changed(texts="hello"),
    "too many URLs": changed(urls=["u"] * 201),
    "too long a URL": changed(urls=["u" * 513]),
    "too many parts": changed(parts=ANSWER["parts"] * 101),
    "no digest": part_with(sha256="x" * 64),
    "an unknown type": part_with(named_type="spoon"),
    "a negative size": part_with(size=-1),
    "too deep": part_with(depth=1e9),
    "too long a name": part_with(name="n" * 256),
    "too long a digest": changed(fuzzy="m1:" + "0" * 400),
    "too many notes": changed(unread=["x"] * 9),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_the_reader_does_not_say_is_not_known(fault: str) -> None:
    helper = AnsweringHelper(FAULTS[fault])
    reader = ContentReader(helper)

    with pytest.raises(NoInside):
        await reader.content_of(sample(PAGE))

    assert reader.content_at_hand(sample(PAGE)) is None
    helper.answer = ANSWER  # and it is asked again when the message is
    assert (await reader.content_of(sample(PAGE))).texts == ("hello",)


async def test_one_message_is_read_once_for_all_who_ask_and_then_is_at_hand() -> None:
    helper = AnsweringHelper(ANSWER)
    inside = inside_of(helper)

    assert inside.octets_at_hand() == PAGE
    assert inside.content_at_hand() is None
    content = await inside.content()

    assert await inside.content() is inside.content_at_hand() is content
    assert helper.asked == 1


async def test_what_could_not_be_had_is_not_at_hand_either() -> None:
    helper = AnsweringHelper(HelperUnavailable("away"))
    inside = inside_of(helper)

    with pytest.raises(NoInside):
        await inside.content()

    assert inside.content_at_hand() is None
