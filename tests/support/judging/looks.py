"""What does a test know of the inside of messages?"""

from __future__ import annotations

from dataclasses import dataclass

from common.envelope import Envelope
from satellite.authentication.results import NOT_AUTHENTICATED, Authenticity
from satellite.filtering.inside import MailContent
from satellite.judging.inside import LooksInside
from satellite.scanning.sample import Sample

NOTHING = MailContent()


@dataclass
class GivenLooks:
    """Says of every message what a test gave."""

    content: MailContent
    authentication: Authenticity

    def content_at_hand(self, sample: Sample) -> MailContent | None:
        return None

    async def content_of(self, sample: Sample) -> MailContent:
        return self.content

    async def authenticated(self, sample: Sample, envelope: Envelope) -> Authenticity:
        return self.authentication


def given_looks(
    content: MailContent = NOTHING, authentication: Authenticity = NOT_AUTHENTICATED
) -> LooksInside:
    """Return looks that say what is given."""
    given = GivenLooks(content, authentication)
    return LooksInside(reader=given, authenticator=given)
