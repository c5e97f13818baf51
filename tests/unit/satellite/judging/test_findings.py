from __future__ import annotations

import pytest

from common.verdict import Outcome, Verdict
from satellite.judging.disposition import Finding, FindingKind
from satellite.judging.findings import findings

BOTH = [True, False]


def kinds(outcome: Outcome, *, required: bool) -> list[FindingKind]:
    verdict = Verdict(by="e", outcome=outcome, detail="because")
    return [finding.kind for finding in findings([verdict], required={"e": required})]


@pytest.mark.parametrize("required", BOTH)
def test_clean_is_nothing_to_weigh(required: bool) -> None:
    assert kinds(Outcome.CLEAN, required=required) == []


@pytest.mark.parametrize("required", BOTH)
@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome.INFECTED, FindingKind.VIRUS),
        (Outcome.ENCRYPTED, FindingKind.ENCRYPTED),
        (Outcome.MACRO, FindingKind.MACRO),
        (Outcome.LIMITS, FindingKind.UNSCANNABLE),
    ],
)
def test_what_an_engine_found_counts_whether_it_is_required_or_not(
    outcome: Outcome, kind: FindingKind, required: bool
) -> None:
    assert kinds(outcome, required=required) == [kind]


@pytest.mark.parametrize(
    "outcome", [Outcome.ERROR, Outcome.TIMEOUT, Outcome.UNAVAILABLE, Outcome.SCORED]
)
def test_no_answer_counts_only_of_an_engine_that_must_answer(outcome: Outcome) -> None:
    assert kinds(outcome, required=True) == [FindingKind.UNAVAILABLE]
    assert kinds(outcome, required=False) == []


def test_mail_that_a_required_engine_was_not_shown_is_unscannable() -> None:
    assert kinds(Outcome.SKIPPED, required=True) == [FindingKind.UNSCANNABLE]
    assert kinds(Outcome.SKIPPED, required=False) == []


def test_no_record_of_a_configured_engine_is_unavailable() -> None:
    clean = Verdict(by="here", outcome=Outcome.CLEAN)

    found = findings([clean], required={"here": True, "gone": True, "optional": False})

    assert found == (Finding(FindingKind.UNAVAILABLE, "gone", "no record"),)


def test_no_verdict_at_all_is_never_nothing() -> None:
    assert findings([], required={"only": True})[0].kind is FindingKind.UNAVAILABLE


def test_a_finding_names_the_threats_else_the_reason() -> None:
    named = Verdict(by="a", outcome=Outcome.INFECTED, threats=("X", "Y"), detail="d")
    reason = Verdict(by="b", outcome=Outcome.LIMITS, detail="too deep")
    bare = Verdict(by="c", outcome=Outcome.TIMEOUT)

    found = findings([named, reason, bare], required={"a": True, "b": True, "c": True})

    assert [finding.detail for finding in found] == ["X, Y", "too deep", "timeout"]
    assert [finding.by for finding in found] == ["a", "b", "c"]
