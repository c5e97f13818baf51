"""Who is asked what is inside a message?

Touches nothing: it only builds them.
"""

from __future__ import annotations

from common.envelope import Envelope
from satellite.authentication.results import NOT_AUTHENTICATED, Authenticity
from satellite.judging.content_reader import ContentReader
from satellite.judging.inside import LooksInside
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample


class _NoAuthenticator:
    """Knows nothing."""

    async def authenticated(self, sample: Sample, envelope: Envelope) -> Authenticity:
        return NOT_AUTHENTICATED


def looks_inside(helper: Helper) -> LooksInside:
    """Return those of one worker, before its helper's first message."""
    return LooksInside(reader=ContentReader(helper), authenticator=_NoAuthenticator())
