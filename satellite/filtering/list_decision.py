"""Which list entry counts for a recipient, and what is said of it?

Pure. The nearest scope decides, inside it the most specific pattern. A white entry about a sender
needs a proof unless the recipient's policy says otherwise; one without it is passed over as if it
were not there, and said. The filter goes by it, and whoever tries other preferences on mail of the
past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from common.frozen import dataclass
from common.preferences import ListColour, ListHit, Preferences
from common.preferences.list_search import ListSearch
from common.preferences.policy import WhitelistProof
from common.verdict import Effect, Test, printable
from satellite.filtering.list_proof import ListProof, ProofState

DETAIL_LENGTH_MAX = 400  # characters: entry and reason, a thousand of which still fit a record

Judge = Callable[[ListHit], ListProof]


@dataclass(frozen=True, slots=True)
class ListDecision:
    """What the lists say for one recipient: the entry that counts, and a better one that did not.

    Args:
        hit: None: no entry counts.
        proof: that it is no forger's; empty: it needs none.
        unproven: the first entry that would have counted.
        want: what it wants for that.
    """

    hit: ListHit | None
    proof: str = ""
    unproven: ListHit | None = None
    want: str = ""


def decided(
    preferences: Preferences, search: ListSearch, recipient: str, judge: Judge
) -> ListDecision:
    """Return what the lists say for one recipient.

    Args:
        preferences: whose policies say which entries need a proof.
        search: the entries for the message.
        recipient: folded.
        judge: says whether an entry has its proof. It is asked of those that need one alone, and
            what it raises passes through.
    """
    unproven, want = None, ""
    for hit in search.hits(recipient):
        if not hit.needs_proof or _trusts_envelope(preferences, recipient):
            return ListDecision(hit, "", unproven, want)
        proof = judge(hit)
        if proof.state is ProofState.PROVEN:
            return ListDecision(hit, proof.reason, unproven, want)
        if unproven is None:
            unproven, want = hit, proof.reason
    return ListDecision(None, "", unproven, want)


def tests_of(decision: ListDecision, recipient: str | None) -> Iterator[Test]:
    """Yield the tests that say a decision: of the entry that counts, and of one that does not.

    Args:
        decision: what was decided.
        recipient: for whom alone; None: for all of the message.
    """
    hit, unproven = decision.hit, decision.unproven
    if hit is not None:
        is_white = hit.colour is ListColour.WHITE
        yield Test(
            name="LIST_WHITE" if is_white else "LIST_BLACK",
            detail=_detail(hit, hit.reason, decision.proof),
            recipient=recipient,
            effect=Effect.ALLOW if is_white else Effect.BLOCK,
        )
    if unproven is not None:
        yield Test(
            name="LIST_WHITE_UNPROVEN",
            detail=_detail(unproven, "does not count", decision.want),
            recipient=recipient,
        )


def _trusts_envelope(preferences: Preferences, recipient: str) -> bool:
    return preferences.policy(recipient).whitelist_proof is WhitelistProof.ENVELOPE


def _detail(hit: ListHit, *facts: str) -> str:
    added = f" (added by {hit.by})" if hit.by else ""
    text = ": ".join(filter(None, (f"{hit}{added}", *facts)))
    return printable(text, length_max=DETAIL_LENGTH_MAX)
