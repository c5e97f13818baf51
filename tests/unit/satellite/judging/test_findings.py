from __future__ import annotations

import pytest

from common.verdict import Outcome, Verdict
from satellite.judging.disposition import Finding, FindingKind
from satellite.judging.findings import findings
from satellite.scanning.engine import BARRED

BOTH = [True, False]
OTHER = Verdict(by="other", outcome=Outcome.CLEAN)


def kinds(outcome: Outcome, *, required: bool) -> list[FindingKind]:
    verdict = Verdict(by="e", outcome=outcome, detail="because")
    engines = {"e": required, "other": True}
    return [finding.kind for finding in findings([verdict, OTHER], required=engines)]


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
        (Outcome.UNREADABLE, FindingKind.ARCHIVE_UNREADABLE),
    ],
)
def test_what_an_engine_found_counts_whether_it_is_required_or_not(
    outcome: Outcome, kind: FindingKind, required: bool
) -> None:
    assert kinds(outcome, required=required) == [kind]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome.ERROR, FindingKind.UNAVAILABLE_ERROR),
        (Outcome.TIMEOUT, FindingKind.UNAVAILABLE_TIMEOUT),
        (Outcome.UNAVAILABLE, FindingKind.UNAVAILABLE),
        (Outcome.SCORED, FindingKind.UNAVAILABLE),
    ],
)
def test_no_answer_counts_only_of_an_engine_that_must_answer(
    outcome: Outcome, kind: FindingKind
) -> None:
    assert kinds(outcome, required=True) == [kind]
    assert kinds(outcome, required=False) == []


def test_mail_that_a_required_engine_was_not_shown_is_unscannable() -> None:
    assert kinds(Outcome.SKIPPED, required=True) == [FindingKind.UNSCANNABLE]
    assert kinds(Outcome.SKIPPED, required=False) == []


def test_an_archive_that_was_not_opened_counts_beside_what_was_found() -> None:
    verdict = Verdict(by="a", outcome=Outcome.MACRO, threats=("M",), unreadable=("rar", "ace"))

    assert findings([verdict], required={}) == (
        Finding(FindingKind.MACRO, "a", "M"),
        Finding(FindingKind.ARCHIVE_UNREADABLE, "a", "cannot open: rar, ace"),
    )


def test_an_archive_that_was_not_opened_counts_once() -> None:
    verdict = Verdict(by="a", outcome=Outcome.UNREADABLE, detail="x: rar", unreadable=("rar",))

    assert findings([verdict], required={}) == (
        Finding(FindingKind.ARCHIVE_UNREADABLE, "a", "x: rar"),
    )


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


@pytest.mark.parametrize("required", BOTH)
@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.TIMEOUT, Outcome.UNAVAILABLE])
def test_when_no_engine_has_answered_none_may_be_missing(outcome: Outcome, required: bool) -> None:
    verdict = Verdict(by="one", outcome=outcome)

    found = findings([verdict], required={"one": required, "gone": required})

    assert [(finding.by, finding.is_of_all) for finding in found] == [("one", True), ("gone", True)]


def test_mail_that_all_engines_skipped_is_unscannable_whether_or_not_they_must_answer() -> None:
    skipped = [Verdict(by=name, outcome=Outcome.SKIPPED) for name in ("one", "two")]

    found = findings(skipped, required={"one": False, "two": False})

    assert [finding.kind for finding in found] == [FindingKind.UNSCANNABLE] * 2


def test_mail_that_one_engine_skipped_waits_for_the_other() -> None:
    skipped = Verdict(by="one", outcome=Outcome.SKIPPED)
    silent = Verdict(by="two", outcome=Outcome.UNAVAILABLE)

    found = findings([skipped, silent], required={"one": False, "two": False})

    assert [(finding.kind, finding.is_of_all) for finding in found] == [
        (FindingKind.UNAVAILABLE, True)
    ]


def test_without_engines_there_is_nothing_to_weigh() -> None:
    assert findings([], required={}) == ()


CLOUD = Verdict(by="cloud", outcome=Outcome.SKIPPED, detail=BARRED)


def test_an_engine_that_a_policy_keeps_from_the_mail_is_not_missed() -> None:
    assert findings([CLOUD, OTHER], required={"cloud": True, "other": True}) == ()


def test_an_engine_that_is_barred_answers_for_nobody() -> None:
    silent = Verdict(by="other", outcome=Outcome.UNAVAILABLE, detail="gone")

    found = findings([CLOUD, silent], required={"cloud": True, "other": False})

    assert [(one.kind, one.by, one.is_of_all) for one in found] == [
        (FindingKind.UNAVAILABLE, "other", True)
    ]


def test_mail_that_all_engines_are_barred_from_is_unscannable() -> None:
    found = findings([CLOUD], required={"cloud": True})

    assert [(one.kind, one.by) for one in found] == [(FindingKind.UNSCANNABLE, "cloud")]
