"""Why did mail fail, or why is it late, in a word that a person has a sentence for?

Pure. By the enhanced status code alone, which is the next hop's where it gave one: what a server
writes behind it is in any language, and for machines' owners.

Source: RFC 3463 section 3, RFC 7372, RFC 7504, the IANA registry of enhanced status codes.
"""

from __future__ import annotations

from enum import StrEnum

from satellite.delivery.decisions.outcome import STATUS_EXPIRED, DsnAction, Fate


class DsnCause(StrEnum):
    """What each language has a sentence for."""

    NO_MAILBOX = "no mailbox"
    NO_DOMAIN = "no domain"  # it is not there, or no server takes its mail
    TAKES_NONE = "takes none"  # mailbox or domain takes no mail at all
    FULL = "full"
    TOO_LARGE = "too large"
    NOT_ALLOWED = "not allowed"  # by a policy of the recipient's server
    KIND = "kind"  # the server cannot take this kind of message
    LOOP = "loop"
    EXPIRED = "expired"  # it was tried to the end of its days
    UNREACHABLE = "unreachable"
    GIVEN_BACK = "given back"  # by an operator of ours
    REFUSED = "refused"  # for a reason without a code of its own
    PUT_OFF = "put off"


_BY_DETAIL = {
    "1.0": DsnCause.NO_MAILBOX,
    "1.1": DsnCause.NO_MAILBOX,
    "1.2": DsnCause.NO_DOMAIN,
    "1.3": DsnCause.NO_MAILBOX,
    "1.6": DsnCause.NO_MAILBOX,
    "1.10": DsnCause.TAKES_NONE,
    "2.0": DsnCause.REFUSED,
    "2.1": DsnCause.TAKES_NONE,
    "2.2": DsnCause.FULL,
    "2.3": DsnCause.TOO_LARGE,
    "3.0": DsnCause.GIVEN_BACK,
    "3.2": DsnCause.GIVEN_BACK,
    "3.4": DsnCause.TOO_LARGE,
    "4.4": DsnCause.NO_DOMAIN,
    "4.6": DsnCause.LOOP,
}
_BY_SUBJECT = {
    "4": DsnCause.UNREACHABLE,
    "6": DsnCause.KIND,
    "7": DsnCause.NOT_ALLOWED,
}
_OURS = frozenset({DsnCause.GIVEN_BACK})  # only we say so: another server's 5.3.0 is a refusal
_LATE = frozenset({DsnCause.FULL, DsnCause.UNREACHABLE})


def cause_of(fate: Fate) -> DsnCause:
    """Return why mail for a recipient failed or is late."""
    if fate.action is DsnAction.FAILED and fate.status == STATUS_EXPIRED:
        return DsnCause.EXPIRED
    _, _, detail = fate.status.partition(".")
    cause = _BY_DETAIL.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0], DsnCause.REFUSED)
    by_server = fate.diagnostic.startswith("smtp;")
    if cause in _OURS and by_server:
        cause = DsnCause.REFUSED
    if fate.action is DsnAction.DELAYED and cause not in _LATE:
        return DsnCause.PUT_OFF if by_server else DsnCause.UNREACHABLE
    return cause
