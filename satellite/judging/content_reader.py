"""What does a message say and hold, as our own reader says, and what when it cannot say?

Touches the helper process, but for short plain text. What the reader did not finish, or did not
answer in its shape, is not known: neither good nor bad. The answers on the last messages are
remembered, for those that are judged again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import asdict
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.fuzzy import LENGTH as FUZZY_LENGTH
from common.preferences.risky_types import RiskyType
from satellite.filtering.inside import (
    NAME_LENGTH_MAX,
    PARTS_MAX,
    TEXT_LENGTH_MAX,
    URL_LENGTH_MAX,
    URLS_MAX,
    ContentPart,
    MailContent,
    NoInside,
)
from satellite.scanning.content_sheet import (
    MEDIA_TYPE_LENGTH_MAX,
    NOTE_LENGTH_MAX,
    NOTES_MAX,
    ContentBounds,
)
from satellite.scanning.helper import Helper, Unscannable
from satellite.scanning.plain_content import content_of_plain
from satellite.scanning.sample import Sample
from satellite.scanning.spawned import HelperUnavailable

log = structlog.get_logger()

JOB, TARGET = "content", "satellite.scanning.content_job:prepare"
DEADLINE_S = 8.0  # below what a filter has, so that it says itself that nobody could find out
REMEMBERED_MAX = 64  # up to 100 KiB each, a tenth of it nearly always

BOUNDS = ContentBounds(
    text_length_max=TEXT_LENGTH_MAX,
    urls_max=URLS_MAX,
    parts_max=PARTS_MAX,
    name_length_max=NAME_LENGTH_MAX,
)

_Word = Annotated[str, Field(max_length=40)]
_Fuzzy = Annotated[str, Field(max_length=FUZZY_LENGTH)]
_Note = Annotated[str, Field(max_length=NOTE_LENGTH_MAX)]


class _Answer(BaseModel):
    """The base of what the job says; the helper has read hostile mail: its words are checked."""

    model_config = ConfigDict(extra="forbid")


class _PartAnswer(_Answer):
    """One part, as ``ContentPart`` has it."""

    media_type: Annotated[str, Field(max_length=MEDIA_TYPE_LENGTH_MAX)]
    kinds: Annotated[tuple[_Word, ...], Field(max_length=16)]
    name: Annotated[str, Field(max_length=NAME_LENGTH_MAX)]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    fuzzy: _Fuzzy
    named_type: RiskyType | Literal[""]
    depth: Annotated[int, Field(ge=0, le=100)]


class _ContentAnswer(_Answer):
    """A message, as ``MailContent`` has it."""

    texts: tuple[str, ...]
    urls: Annotated[
        tuple[Annotated[str, Field(max_length=URL_LENGTH_MAX)], ...], Field(max_length=URLS_MAX)
    ]
    parts: Annotated[tuple[_PartAnswer, ...], Field(max_length=PARTS_MAX)]
    fuzzy: _Fuzzy
    is_whole: bool
    unread: Annotated[tuple[_Note, ...], Field(max_length=NOTES_MAX)]


class ContentReader:
    """Asks the helper of one worker; made before its first message.

    Args:
        helper: the reader.
    """

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._known: OrderedDict[bytes, MailContent] = OrderedDict()
        helper.add_job(JOB, TARGET, asdict(BOUNDS))

    def content_at_hand(self, sample: Sample) -> MailContent | None:
        """Return the content of a short plain text, or one that is remembered; else None."""
        known = self._known.get(sample.sha256)
        if known is not None or sample.data is None:
            return known
        answer = content_of_plain(sample.data, BOUNDS)
        return None if answer is None else self._kept(sample, answer)

    async def content_of(self, sample: Sample) -> MailContent:
        """Return what a message says and holds.

        Raises:
            NoInside: there was no helper or no time, or it was ended by the message, or answered
                what is none.
        """
        at_hand = self.content_at_hand(sample)
        if at_hand is not None:
            return at_hand
        try:
            answer = await self._helper.ask(JOB, sample, deadline_s=DEADLINE_S)
            return self._kept(sample, answer)
        except (HelperUnavailable, Unscannable) as error:
            log.warning("content.unknown", message=sample.id, reason=error.what)
            raise NoInside(error.what) from None
        except ValidationError:
            log.warning("content.unreadable", message=sample.id)
            raise NoInside("our own reader answered what is no content") from None

    def _kept(self, sample: Sample, answer: object) -> MailContent:
        """Return an answer in its shape, and remember it.

        Raises:
            ValidationError: it is none.
        """
        said = _ContentAnswer.model_validate(answer)
        content = MailContent(
            texts=said.texts,
            urls=said.urls,
            parts=tuple(ContentPart(**dict(part)) for part in said.parts),
            fuzzy=said.fuzzy,
            is_whole=said.is_whole,
            unread=said.unread,
        )
        self._known[sample.sha256] = content
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return content
