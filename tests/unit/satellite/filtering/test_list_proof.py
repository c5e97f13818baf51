"""Who answers for a sender so that a white entry counts?"""

from __future__ import annotations

from typing import Any

import pytest

from common.preferences import ListColour, ListHit
from satellite.authentication.results import (
    NOT_AUTHENTICATED,
    Authenticity,
    AuthResult,
    DkimOutcome,
    DmarcOutcome,
    SpfOutcome,
)
from satellite.filtering.list_proof import ProofState, proof_of

PASS, FAIL, TEMPERROR = AuthResult.PASS, AuthResult.FAIL, AuthResult.TEMPERROR
NONE = NOT_AUTHENTICATED


def spf(result: AuthResult, domain: str, **more: Any) -> SpfOutcome:
    return SpfOutcome(result=result, domain=domain, **more)


def dkim(result: AuthResult, domain: str) -> DkimOutcome:
    return DkimOutcome(result=result, domain=domain)


def dmarc(result: AuthResult, domain: str) -> DmarcOutcome:
    return DmarcOutcome(result=result, domain=domain)


def known(*said: SpfOutcome | DkimOutcome | DmarcOutcome) -> Authenticity:
    return Authenticity(
        spf=next((one for one in said if isinstance(one, SpfOutcome)), NONE.spf),
        dkim=tuple(one for one in said if isinstance(one, DkimOutcome)),
        dmarc=next((one for one in said if isinstance(one, DmarcOutcome)), NONE.dmarc),
        arc=NONE.arc,
    )


def hit(pattern: str, colour: ListColour = ListColour.WHITE) -> ListHit:
    return ListHit(colour, "cluster", pattern, "")


@pytest.mark.parametrize(
    ("pattern", "found", "state"),
    [
        ("a@mail.s.example", known(spf(PASS, "mail.s.example")), ProofState.PROVEN),
        ("mail.s.example", known(spf(PASS, "MAIL.s.example")), ProofState.PROVEN),
        ("mail.s.example", known(spf(PASS, "evil.example")), ProofState.MISSING),
        ("mail.s.example", known(spf(PASS, "mail.s.example", is_helo=True)), ProofState.MISSING),
        ("mail.s.example", known(spf(AuthResult.SOFTFAIL, "mail.s.example")), ProofState.MISSING),
        ("mail.s.example", known(spf(AuthResult.NEUTRAL, "mail.s.example")), ProofState.MISSING),
        ("mail.s.example", known(dkim(PASS, "mail.s.example")), ProofState.PROVEN),
        ("mail.s.example", known(dkim(PASS, "s.example")), ProofState.PROVEN),
        ("mail.s.example", known(dkim(PASS, "example")), ProofState.MISSING),
        ("mail.s.example", known(dkim(PASS, "il.s.example")), ProofState.MISSING),
        ("mail.s.example", known(dkim(PASS, "evil.mail.s.example")), ProofState.MISSING),
        ("mail.s.example", known(dkim(PASS, "mail.s.example.evil.example")), ProofState.MISSING),
        ("mail.s.example", known(dkim(PASS, "")), ProofState.MISSING),
        ("mail.s.example", known(dkim(FAIL, "mail.s.example")), ProofState.MISSING),
        (".s.example", known(dkim(PASS, "other.s.example")), ProofState.PROVEN),
        (".s.example", known(dkim(PASS, "s.example")), ProofState.PROVEN),
        (".s.example", known(dkim(PASS, "evils.example")), ProofState.MISSING),
        (
            "mail.s.example",
            known(spf(FAIL, "mail.s.example"), dkim(FAIL, "x.example"), dkim(PASS, "s.example")),
            ProofState.PROVEN,
        ),
        ("mail.s.example", known(dmarc(PASS, "mail.s.example")), ProofState.PROVEN),
        ("mail.s.example", known(dmarc(PASS, "evil.example")), ProofState.MISSING),
        ("mail.s.example", known(dmarc(FAIL, "mail.s.example")), ProofState.MISSING),
        ("mail.s.example", known(spf(TEMPERROR, "mail.s.example")), ProofState.UNKNOWN),
        (
            "mail.s.example",
            known(spf(FAIL, "mail.s.example"), dkim(TEMPERROR, "s.example")),
            ProofState.UNKNOWN,
        ),
        (
            "mail.s.example",
            known(spf(TEMPERROR, "mail.s.example"), dkim(PASS, "s.example")),
            ProofState.PROVEN,
        ),
        (
            "mail.s.example",
            known(spf(TEMPERROR, "mail.s.example", is_helo=True)),
            ProofState.MISSING,
        ),
        ("header:from:s.example", known(dmarc(PASS, "mail.s.example")), ProofState.MISSING),
        ("mail.s.example", NONE, ProofState.MISSING),
    ],
)
def test_only_who_answers_for_the_sender_proves_an_entry(
    pattern: str, found: Authenticity, state: ProofState
) -> None:
    proof = proof_of(hit(pattern), sender="a@mail.s.example", found=found)

    assert proof.state is state
    assert proof.reason


def test_mail_without_a_sender_proves_nothing() -> None:
    proof = proof_of(hit("header:x:y"), sender="", found=known(spf(PASS, "")))

    assert proof.state is ProofState.MISSING


@pytest.mark.parametrize(
    ("entry", "needs"),
    [
        (hit("s.example"), True),
        (hit(".s.example"), True),
        (hit("a@s.example"), True),
        (hit("header:subject:a/b"), True),
        (hit("192.0.2.0/24"), False),
        (hit("2001:db8::/32"), False),
        (hit("s.example", ListColour.BLACK), False),
    ],
)
def test_only_a_white_entry_about_what_anybody_may_write_needs_a_proof(
    entry: ListHit, needs: bool
) -> None:
    assert entry.needs_proof is needs
