"""What does the server of a destination take, as it said when it was last talked to?

Pure. Delivery learns it, and the front end refuses for it what would only come back as a DSN.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHopOffer:
    """What a reply to EHLO offered: RFC 1870 and RFC 6531.

    Args:
        size_bytes_max: the largest message; 0: it names no limit.
        smtputf8: whether it takes internationalised mail.
    """

    size_bytes_max: int
    smtputf8: bool
