"""Does a white list entry help the sender whom it means, or somebody who wrote that sender's name?

Pure. Anybody may write any address into an envelope. An entry about a sender's address or domain
counts when the domain answers for the message: by SPF (its address may send, RFC 7208), by a DKIM
signature (RFC 6376), or by DMARC (RFC 9989), which also ties the author to it. A network is its own
proof, since nobody forges the address that TCP comes from. A header pattern has none: of a field
that a stranger wrote, nothing that the sender's own domain signs says that it is true.
"""

from __future__ import annotations

import enum

from common.address import domain_of
from common.frozen import dataclass
from common.preferences import ListHit
from common.preferences.list_keys import is_header_pattern
from satellite.authentication.results import Authenticity, AuthResult


class ProofState(enum.Enum):
    """Whether an entry counts."""

    PROVEN = enum.auto()
    MISSING = enum.auto()  # nobody answers for the message who would have to
    UNKNOWN = enum.auto()  # somebody might; a look-up failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProof:
    """Whether an entry counts, and why.

    Args:
        state: whether it does.
        reason: for people, one line.
    """

    state: ProofState
    reason: str


def proof_of(hit: ListHit, *, sender: str, found: Authenticity) -> ListProof:
    """Return whether an entry that needs a proof has one.

    Args:
        hit: the entry; it is about this sender.
        sender: of the envelope; it may be empty.
        found: what sender authentication came to.
    """
    if is_header_pattern(hit.pattern):
        return ListProof(state=ProofState.MISSING, reason="a header field proves no sender")
    domain = domain_of(sender)
    for method, result, proven in _answers(found):
        if result is AuthResult.PASS and _speaks_for(proven, domain, hit.pattern):
            return ListProof(state=ProofState.PROVEN, reason=f"{method} pass for {proven}")
    unknown = [
        f"{method} {result}"
        for method, result, _ in _answers(found)
        if result is AuthResult.TEMPERROR
    ]
    if unknown:
        reason = f"who sent it could not be found out: {', '.join(dict.fromkeys(unknown))}"
        return ListProof(state=ProofState.UNKNOWN, reason=reason)
    said = {
        f"{method} {result}{f' for {proven}' * (result is AuthResult.PASS)}": None
        for method, result, proven in _answers(found)
    }
    return ListProof(
        state=ProofState.MISSING, reason=f"{domain} does not answer for it: {', '.join(said)}"
    )


def _answers(found: Authenticity) -> list[tuple[str, AuthResult, str]]:
    """Return method, result and domain of all that may prove a sender."""
    spf = found.spf
    # Who says HELO for a message is not who is named as its sender.
    said = [] if spf.is_helo else [("spf", spf.result, spf.domain)]
    said += [("dkim", each.result, each.domain) for each in found.dkim]
    return [*said, ("dmarc", found.dmarc.result, found.dmarc.domain)]


def _speaks_for(proven: str, domain: str, pattern: str) -> bool:
    """Say whether who answers for a domain answers for the sender whom an entry means.

    The domain itself does, one above it, which could give it away, and where an entry is about all
    below a domain, any of those.
    """
    proven = proven.lower()
    if not proven or not domain:
        return False
    is_above = "." in proven and domain.endswith(f".{proven}")
    if proven == domain or is_above:
        return True
    return pattern.startswith(".") and (proven == pattern[1:] or proven.endswith(pattern))
