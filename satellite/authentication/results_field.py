"""What does our Authentication-Results field say?

Pure. Whatever a stranger wrote stands in it as a token or between quotes, so that nothing of it
ends the value that it stands in.

Source: RFC 8601 sections 2.2, 2.7; RFC 6008 (``header.b``); RFC 9989 section 5.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from satellite.authentication.results import (
    ArcOutcome,
    Authenticity,
    AuthResult,
    DkimOutcome,
    DmarcOutcome,
    SpfOutcome,
)
from satellite.headers.ours import word

SEALERS_SHOWN_MAX = 10
REASON_LENGTH_MAX = 120  # characters

# RFC 2045 section 5.1; and an address, whose @ needs no quotes in a ``pvalue``.
_TOKEN = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~@-]+")

Words = tuple[str, ...]


def result_words(authenticity: Authenticity) -> tuple[Words, ...]:
    """Return the words of each result, in the order in which they stand in the field."""
    dkim = [_of_dkim(one) for one in authenticity.dkim] or [("dkim=none",)]
    return (
        _of_spf(authenticity.spf),
        *dkim,
        _of_dmarc(authenticity.dmarc),
        _of_arc(authenticity.arc),
    )


def _of_spf(spf: SpfOutcome) -> Words:
    place = "smtp.helo" if spf.is_helo else "smtp.mailfrom"
    return (f"spf={spf.result}", *_reason(spf.reason), *_property(place, spf.domain))


def _of_dkim(dkim: DkimOutcome) -> Words:
    return (
        f"dkim={dkim.result}",
        *_reason(dkim.reason),
        *_property("header.d", dkim.domain),
        *_property("header.i", dkim.identity),
        *_property("header.s", dkim.selector),
        *_property("header.a", dkim.algorithm),
        *_property("header.b", dkim.signature),
    )


def _of_dmarc(dmarc: DmarcOutcome) -> Words:
    asked = (f"(p={dmarc.policy})",) if dmarc.policy_domain else ()
    return (
        f"dmarc={dmarc.result}",
        *asked,
        *_reason(dmarc.reason),
        *_property("header.from", dmarc.domain),
    )


def _of_arc(arc: ArcOutcome) -> Words:
    result = f"arc={arc.result}"
    if arc.result is not AuthResult.PASS:
        return (result,)
    sealers = ", ".join(word(sealer) for sealer in arc.sealers[:SEALERS_SHOWN_MAX])
    return (result, *f"(sealed by {sealers})".split())


def _reason(reason: str) -> Iterator[str]:
    if reason:
        quoted = "".join(c if " " <= c <= "~" and c not in '"\\' else "_" for c in reason)
        yield f'reason="{quoted[:REASON_LENGTH_MAX]}"'


def _property(name: str, value: str) -> Iterator[str]:
    if value:
        shown = word(value)
        yield f"{name}={shown}" if _TOKEN.fullmatch(shown) else f'{name}="{shown}"'
