"""Does a forwarder that we trust say that the mail was in order when it came to him?

Pure. Source: RFC 8617 section 7.2 (what an ARC chain may change about DMARC's result).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from satellite.authentication.results import ArcOutcome, AuthResult

_DMARC_PASSES = re.compile(r"(?:^|;)\s*dmarc\s*=\s*pass\b", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")


def vouching_sealer(arc: ArcOutcome, trusted: Collection[str]) -> str:
    """Return the trusted forwarder who saw DMARC pass; empty: there is none.

    All who sealed must be trusted: each of them could have written what those before it saw.

    Args:
        arc: the chain.
        trusted: domains, A-labels.
    """
    if arc.result is not AuthResult.PASS or not arc.sealers:
        return ""
    if not all(sealer in trusted for sealer in arc.sealers):
        return ""
    return arc.sealers[0] if _DMARC_PASSES.search(_COMMENT.sub("", arc.first_results)) else ""
