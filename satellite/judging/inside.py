"""What is inside a message that is being judged, for the filters that ask?

Touches the body, our own reader and DNS, each at most once a message and only when a filter asks.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeVar

from common.envelope import Envelope
from common.frozen import dataclass
from satellite.authentication.results import Authenticity
from satellite.filtering.inside import Inside, MailContent, NoInside
from satellite.scanning.sample import Sample

T = TypeVar("T")


class ReadsContent(Protocol):
    """What judging needs of our own reader."""

    def content_at_hand(self, sample: Sample) -> MailContent | None:
        """Return what a message says and holds when nobody has to be asked; else None."""
        ...

    async def content_of(self, sample: Sample) -> MailContent:
        """Return what a message says and holds.

        Raises:
            NoInside: nobody could find out.
        """
        ...


class Authenticates(Protocol):
    """What judging needs of sender authentication."""

    async def authenticated(self, sample: Sample, envelope: Envelope) -> Authenticity:
        """Return who answers for a message; never an exception but for a cancellation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksInside:
    """Those that are asked what is inside messages."""

    reader: ReadsContent
    authenticator: Authenticates


class MessageInside:
    """One message that is being judged.

    Args:
        sample, envelope: the message.
        looks: who is asked.
    """

    def __init__(self, sample: Sample, envelope: Envelope, looks: LooksInside) -> None:
        self._sample = sample
        self._envelope = envelope
        self._looks = looks
        self._content: asyncio.Task[MailContent] | None = None
        self._must_ask = False  # for the content: each filter wants to know, and it costs a look
        self._authentication: asyncio.Task[Authenticity] | None = None

    def octets_at_hand(self) -> bytes | None:
        """Return the octets of DATA, or None: they are in a file."""
        return self._sample.data

    def content_at_hand(self) -> MailContent | None:
        """Return the content, or None: our own reader has to be asked."""
        content = self._content
        if content is None:
            if self._must_ask:
                return None
            at_hand = self._looks.reader.content_at_hand(self._sample)
            self._must_ask = at_hand is None
            return at_hand
        is_known = content.done() and not content.cancelled() and content.exception() is None
        return content.result() if is_known else None

    async def octets(self, *, bytes_max: int) -> bytes:
        """Return the octets of DATA; a file is read in a thread.

        Raises:
            NoInside: they are more than ``bytes_max``, or cannot be read.
        """
        sample = self._sample
        if sample.size > bytes_max:
            raise NoInside(f"the message has more than {bytes_max} octets")
        if sample.data is not None:
            return sample.data
        try:
            return await asyncio.to_thread(sample.read, 0, sample.size)
        except OSError as error:
            raise NoInside(f"the message cannot be read: {error.strerror}") from None

    async def content(self) -> MailContent:
        """Return what the message says and holds.

        Raises:
            NoInside: nobody could find out.
        """
        if self._content is None:
            asking = self._looks.reader.content_of(self._sample)
            self._content = asyncio.ensure_future(asking)
        return await _shared(self._content)

    async def authentication(self) -> Authenticity:
        """Return who answers for the message."""
        if self._authentication is None:
            asking = self._looks.authenticator.authenticated(self._sample, self._envelope)
            self._authentication = asyncio.ensure_future(asking)
        return await _shared(self._authentication)

    @property
    def authenticity(self) -> Authenticity | None:
        """Who answers for the message; None: nobody has asked, or it did not come to an end."""
        task = self._authentication
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    def close(self) -> None:
        """Ask no more: whoever would have waited for it is done."""
        for task in (self._content, self._authentication):
            if task is not None and not task.done():
                task.cancel()


def known_authenticity(inside: Inside) -> Authenticity | None:
    """Return who answers for a message, as far as somebody has asked; it is not asked for."""
    return inside.authenticity if isinstance(inside, MessageInside) else None


async def _shared(task: asyncio.Task[T]) -> T:
    """Return what a task comes to; one filter that gives up does not end it for the others.

    Raises:
        NoInside: it was ended, since the message's time was over.
    """
    await asyncio.wait([task])
    if task.cancelled():
        raise NoInside("there was no time for it")
    return task.result()
