"""What does a record say of who answered for its message, when a white entry wants a proof?

Pure. The tests of the filter ``authentication`` name SPF's domain, DKIM's (of several signatures
the best alone) and DMARC's. A white entry that counted then tells what proved it. Where neither
stands in the record, nobody knows, and an entry that needs a proof does not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from common.preferences import ListHit
from common.verdict import Test, Verdict
from satellite.authentication.results import (
    NOT_AUTHENTICATED,
    Authenticity,
    AuthResult,
    DkimOutcome,
    DmarcOutcome,
    SpfOutcome,
)
from satellite.filtering.list_proof import ListProof, ProofState, proof_of

AUTHENTICATION = "authentication"
LISTS = "lists"
NOT_TOLD = ListProof(state=ProofState.UNKNOWN, reason="its record does not say who answers for it")
# As ``list_proof`` says it at the end of a white entry's detail; the domain was a name in DNS.
_PROVEN = re.compile(r": (spf|dkim|dmarc) pass for ([a-z0-9._-]{1,255})\Z", re.IGNORECASE)

Told = tuple[str, AuthResult, str]  # method, result and domain


def proof_by_record(verdicts: Iterable[Verdict], *, sender: str) -> Callable[[ListHit], ListProof]:
    """Return what says whether an entry has its proof, as far as a record tells.

    Args:
        verdicts: of the filters, as they stand in the record.
        sender: of its envelope.
    """
    verdicts = list(verdicts)
    authenticated = [test for each in verdicts if each.by == AUTHENTICATION for test in each.tests]
    said = list(_results(authenticated))
    is_known = bool(said)
    said += _proofs(test for each in verdicts if each.by == LISTS for test in each.tests)
    found = _authenticity(said, has_sender=bool(sender))

    def judge(hit: ListHit) -> ListProof:
        proof = proof_of(hit, sender=sender, found=found)
        return proof if is_known or proof.state is ProofState.PROVEN else NOT_TOLD

    return judge


def _results(tests: Iterable[Test]) -> Iterator[Told]:
    """Yield what the tests say: ``SPF_PASS`` with ``DOMAIN: REASON``."""
    for test in tests:
        method, _, word = test.name.lower().partition("_")
        if method not in ("spf", "dkim", "dmarc"):
            continue
        try:
            result = AuthResult(word.partition("_")[0])  # fail_reject is a fail
        except ValueError:
            result = AuthResult.PERMERROR  # no_author, or another version's word
        yield method, result, test.detail.partition(": ")[0]


def _proofs(tests: Iterable[Test]) -> Iterator[Told]:
    for test in tests:
        told = _PROVEN.search(test.detail) if test.name == "LIST_WHITE" else None
        if told is not None:
            yield told[1].lower(), AuthResult.PASS, told[2]


def _authenticity(said: Iterable[Told], *, has_sender: bool) -> Authenticity:
    spf, dkim, dmarc = NOT_AUTHENTICATED.spf, [], NOT_AUTHENTICATED.dmarc
    for method, result, domain in said:
        if method == "dkim":
            dkim.append(DkimOutcome(result=result, domain=domain))
        elif method == "spf" and spf.result is not AuthResult.PASS:
            # Without a sender SPF speaks of the name in HELO, whom no entry is about.
            spf = SpfOutcome(result=result, domain=domain, is_helo=not has_sender)
        elif method == "dmarc" and dmarc.result is not AuthResult.PASS:
            dmarc = DmarcOutcome(result=result, domain=domain)
    return Authenticity(spf=spf, dkim=tuple(dkim), dmarc=dmarc, arc=NOT_AUTHENTICATED.arc)
