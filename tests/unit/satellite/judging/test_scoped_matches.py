"""What rules of one scope found is said to the recipients in it, and to nobody else."""

from __future__ import annotations

import pytest

from common.verdict import Outcome, ScopedMatch, Verdict
from satellite.judging.scoped_matches import as_for, concerning, has_scoped, scoped_threats

ACME, GLOBEX = "customer/acme", "customer/globex"


def match(
    scope: str = ACME, outcome: Outcome = Outcome.INFECTED, *threats: str, rules: str = "own"
) -> ScopedMatch:
    return ScopedMatch(rules=rules, scope=scope, outcome=outcome, threats=threats or ("Own",))


def verdict(
    outcome: Outcome = Outcome.CLEAN, *threats: str, scoped: tuple[ScopedMatch, ...] = (match(),)
) -> Verdict:
    return Verdict(by="yara", outcome=outcome, threats=threats, scoped=scoped)


def test_who_is_in_the_scope_has_it_in_the_verdict() -> None:
    (own,) = as_for([verdict()], {"cluster", ACME})

    assert (own.outcome, own.threats, own.scoped) == (Outcome.INFECTED, ("Own",), (match(),))


def test_for_everybody_else_there_was_never_such_a_rule() -> None:
    (own,) = as_for([verdict()], {"cluster", GLOBEX})

    assert own == Verdict(by="yara", outcome=Outcome.CLEAN)


def test_each_of_two_customers_has_his_own() -> None:
    both = verdict(scoped=(match(), match(GLOBEX, Outcome.MACRO, "Theirs")))

    acme, globex = (as_for([both], {scope})[0] for scope in (ACME, GLOBEX))

    assert (acme.outcome, acme.threats) == (Outcome.INFECTED, ("Own",))
    assert (globex.outcome, globex.threats) == (Outcome.MACRO, ("Theirs",))


@pytest.mark.parametrize(
    ("said", "found", "outcome", "threats"),
    [
        (Outcome.INFECTED, Outcome.INFECTED, Outcome.INFECTED, ("All", "Own")),
        (Outcome.INFECTED, Outcome.MACRO, Outcome.INFECTED, ("All",)),
        (Outcome.LIMITS, Outcome.INFECTED, Outcome.INFECTED, ("Own",)),
        (Outcome.LIMITS, Outcome.MACRO, Outcome.LIMITS, ("All", "Own")),
        (Outcome.MACRO, Outcome.ENCRYPTED, Outcome.ENCRYPTED, ("All", "Own")),
        (Outcome.ENCRYPTED, Outcome.MACRO, Outcome.ENCRYPTED, ("All", "Own")),
        (Outcome.UNREADABLE, Outcome.MACRO, Outcome.MACRO, ("All", "Own")),
    ],
)
def test_what_is_surely_bad_weighs_most_and_then_what_is_unknown(
    said: Outcome, found: Outcome, outcome: Outcome, threats: tuple[str, ...]
) -> None:
    (own,) = as_for([verdict(said, "All", scoped=(match(ACME, found),))], {ACME})

    assert (own.outcome, own.threats) == (outcome, threats)


def test_one_name_that_both_say_is_said_once() -> None:
    (own,) = as_for([verdict(Outcome.INFECTED, "Own")], {ACME})

    assert own.threats == ("Own",)


def test_what_concerns_no_recipient_is_not_kept() -> None:
    other = verdict(scoped=(match(), match(GLOBEX)))

    (kept,) = concerning([other], {ACME, "domain/acme.example"})

    assert kept.scoped == (match(),)
    assert kept.outcome is Outcome.CLEAN


def test_a_verdict_without_scopes_is_left_as_it_is() -> None:
    plain = verdict(scoped=())

    assert as_for([plain], {ACME})[0] is plain
    assert not has_scoped([plain])
    assert scoped_threats([plain, verdict()]) == {("yara", "Own")}
