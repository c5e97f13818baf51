"""What did sender authentication come to, for one message?

Pure: the shapes alone. They say nothing of what is done with the mail.

Source: RFC 8601 section 2.7 (the words), RFC 9989 (DMARC), RFC 8617 (ARC).
"""

from __future__ import annotations

import enum

from common.frozen import dataclass


class AuthResult(enum.StrEnum):
    """One word of RFC 8601; not every method has each."""

    NONE = "none"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfOutcome:
    """What SPF said of the client.

    Args:
        result: the word.
        domain: A-labels, of the sender's address, or of HELO when there is none; empty: neither.
        is_helo: the domain is HELO's.
        reason: for people, empty or one line.
    """

    result: AuthResult
    domain: str = ""
    is_helo: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimOutcome:
    """What became of one signature.

    Args:
        result: the word.
        domain, selector: its ``d=`` and ``s=``, A-labels; as they came when they are no names.
        identity: its ``i=``, or empty.
        algorithm: its ``a=``.
        signature: the first characters of ``b=``, as RFC 6008 tells signatures apart.
        reason: for people, empty or one line.
    """

    result: AuthResult
    domain: str
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    signature: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcOutcome:
    """What DMARC said of the author's domain.

    Args:
        result: the word.
        domain: of the one address in From, A-labels; empty: there is no such one.
        policy_domain: where the record was found; empty: there is none.
        policy: what the domain's owner asks for a failure: ``none``, ``quarantine``, ``reject``.
        is_testing: the owner asks for no action yet (``t=y``).
        reason: for people, empty or one line.
    """

    result: AuthResult
    domain: str = ""
    policy_domain: str = ""
    policy: str = "none"
    is_testing: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcOutcome:
    """What the chain of forwarders came to.

    Args:
        result: ``none``, ``pass`` or ``fail``.
        sealers: the domains that sealed, the first one first.
        first_results: what the first sealer says it saw, its text as it came, bounded.
    """

    result: AuthResult
    sealers: tuple[str, ...] = ()
    first_results: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticity:
    """All that is known of who answers for a message."""

    spf: SpfOutcome
    dkim: tuple[DkimOutcome, ...]
    dmarc: DmarcOutcome
    arc: ArcOutcome


NOT_AUTHENTICATED = Authenticity(
    spf=SpfOutcome(result=AuthResult.NONE),
    dkim=(),
    dmarc=DmarcOutcome(result=AuthResult.NONE),
    arc=ArcOutcome(result=AuthResult.NONE),
)
