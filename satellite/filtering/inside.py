"""What may a filter ask for of a message, beyond its envelope and header?

Pure: the port and its shapes. Each is made once a message, for the first filter that asks, and
never when none asks. ``NoInside``: it cannot be had, and nothing is known, neither good nor bad.
"""

from __future__ import annotations

from typing import Protocol

from common.errors import EnvironmentFailure
from common.frozen import dataclass
from satellite.authentication.results import NOT_AUTHENTICATED, Authenticity

TEXT_LENGTH_MAX = 16_384  # characters of all texts of a message
URLS_MAX = 200  # different ones of a message
PARTS_MAX = 100
NAME_LENGTH_MAX = 255  # characters of a part's name
URL_LENGTH_MAX = 512


class NoInside(EnvironmentFailure):
    """What was asked for cannot be had: too large, unreadable, no time, no helper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPart:
    """One leaf of a message, or a member of an archive in it.

    Args:
        media_type: as the sender says, ``type/subtype`` in lower case; empty for an archive's.
        kinds: what it is by its content, our own words (``satellite.scanning.content_kind``).
        name: as the sender says, printable; empty: none.
        size: octets, decoded.
        sha256: of them, 64 hex digits.
        fuzzy: a digest that is near that of similar content; empty: too short for one.
        named_type: the risky type that the end of its name stands for; empty: none.
        depth: 0: of the message itself; 1: inside an archive or attached message, and so on.
    """

    media_type: str
    kinds: tuple[str, ...]
    name: str
    size: int
    sha256: str
    fuzzy: str = ""
    named_type: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """What a message says and holds, decoded.

    Args:
        texts: of its text parts, the first part first, a line for each paragraph, HTML as it is
            shown; all within ``TEXT_LENGTH_MAX`` characters.
        urls: in texts, links, pictures and forms, as a browser would ask for them: scheme and host
            in lower case and decoded, no user; each once.
        parts: its leaves in their order, then what lies in those.
        fuzzy: a digest of all its text, see ``common.fuzzy``; empty: too short for one.
        is_whole: nothing was left out: no bound was met, and all could be read. Long texts and
            newsletters of many links often are not.
        unread: why there may be parts that are not told; empty: there are none.
    """

    texts: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    parts: tuple[ContentPart, ...] = ()
    fuzzy: str = ""
    is_whole: bool = True
    unread: tuple[str, ...] = ()


class Inside(Protocol):
    """One message, for those who look into it. Whoever asks again gets what was made before."""

    def octets_at_hand(self) -> bytes | None:
        """Return the octets of DATA when they are in memory; None: they have to be asked for."""
        ...

    def content_at_hand(self) -> MailContent | None:
        """Return the content when it is known, or costs less than asking: of short plain text.

        None: it has to be asked for.
        """
        ...

    async def octets(self, *, bytes_max: int) -> bytes:
        """Return the octets of DATA as they came.

        Raises:
            NoInside: they are more than ``bytes_max``, or cannot be read.
        """
        ...

    async def content(self) -> MailContent:
        """Return what the message says and holds.

        Raises:
            NoInside: nobody could find out.
        """
        ...

    async def authentication(self) -> Authenticity:
        """Return who answers for the message; look-ups that fail are in the result."""
        ...

    def close(self) -> None:
        """Stop what is still being found out: nobody waits for it any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenInside:
    """The inside of a message that somebody put together: a trial, or a test."""

    data: bytes
    given: MailContent = MailContent()
    authenticated: Authenticity = NOT_AUTHENTICATED

    def octets_at_hand(self) -> bytes | None:
        """Return the data."""
        return self.data

    def content_at_hand(self) -> MailContent | None:
        """Return what was given."""
        return self.given

    async def octets(self, *, bytes_max: int) -> bytes:
        """Return the data."""
        if len(self.data) > bytes_max:
            raise NoInside(f"the message has more than {bytes_max} octets")
        return self.data

    async def content(self) -> MailContent:
        """Return what was given."""
        return self.given

    async def authentication(self) -> Authenticity:
        """Return what was given."""
        return self.authenticated

    def close(self) -> None:
        """Nothing is going on."""
