"""What does a DMARC record say?

Pure. A tag that is unknown or has a value that it cannot have counts as not there.
Source: RFC 9989 sections 4.7 and 4.8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from common.frozen import dataclass

RECORD_LENGTH_MAX = 16_384
TAGS_MAX = 64

_VERSION = re.compile(r"[ \t]*v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcRecord:
    """What a domain's owner asks for.

    Args:
        policy: for the domain itself: ``none``, ``quarantine``, ``reject``.
        subdomain_policy: for those below it; empty: as for itself.
        missing_policy: for those below it that do not exist; empty: as for those that do.
        spf_is_strict, dkim_is_strict: alignment is sameness.
        is_public_suffix: ``psd=y``; False: ``psd=n``; None: the owner does not say.
        is_testing: the owner wants one level less than the policy.
    """

    policy: str = "none"
    subdomain_policy: str = ""
    missing_policy: str = ""
    spf_is_strict: bool = False
    dkim_is_strict: bool = False
    is_public_suffix: bool | None = None
    is_testing: bool = False


def dmarc_record(texts: Sequence[str]) -> DmarcRecord | None:
    """Return the record among a name's TXT records; None: there is none, or more than one."""
    found = [text for text in texts if _VERSION.match(text[:RECORD_LENGTH_MAX])]
    return _parsed(found[0]) if len(found) == 1 else None


def _parsed(text: str) -> DmarcRecord:
    tags: dict[str, str] = {}
    for part in text[:RECORD_LENGTH_MAX].split(";", TAGS_MAX)[:TAGS_MAX]:
        name, _, value = part.partition("=")
        tags.setdefault(name.strip(" \t").lower(), value.strip(" \t").lower())
    return DmarcRecord(
        policy=_policy(tags, "p") or "none",
        subdomain_policy=_policy(tags, "sp"),
        missing_policy=_policy(tags, "np"),
        spf_is_strict=tags.get("aspf") == "s",
        dkim_is_strict=tags.get("adkim") == "s",
        is_public_suffix={"y": True, "n": False}.get(tags.get("psd", "")),
        is_testing=tags.get("t") == "y",
    )


def _policy(tags: dict[str, str], name: str) -> str:
    value = tags.get(name, "")
    return value if value in _POLICIES else ""
