"""Who is asked what is inside a message?

Touches nothing: it only builds them.
"""

from __future__ import annotations

from common.envelope import Envelope
from satellite.authentication.results import NOT_AUTHENTICATED, Authenticity
from satellite.filtering.inside import MailContent, NoInside
from satellite.judging.inside import LooksInside
from satellite.scanning.sample import Sample


class _NoReader:
    """Knows nothing."""

    async def content_of(self, sample: Sample) -> MailContent:
        raise NoInside("there is no reader")


class _NoAuthenticator:
    """Knows nothing."""

    async def authenticated(self, sample: Sample, envelope: Envelope) -> Authenticity:
        return NOT_AUTHENTICATED


def looks_inside() -> LooksInside:
    """Return those of one worker, before its helper's first message."""
    return LooksInside(reader=_NoReader(), authenticator=_NoAuthenticator())
