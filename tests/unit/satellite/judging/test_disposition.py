"""Which cause decides, and how strongly?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.preferences import Action, Policy
from common.preferences.forms import KeyChoice
from common.preferences.policy import POLICY_KEYS, parse_policy, resolve_policy
from common.verdict import Effect, Test
from satellite.judging.disposition import (
    Cause,
    Disposed,
    Done,
    Finding,
    FindingKind,
    Scoring,
    dispose,
)
from satellite.spool.model.messages import Disposition

VIRUS = Finding(FindingKind.VIRUS, "clamav", "Eicar-Test-Signature")
SILENT = Finding(FindingKind.UNAVAILABLE, "nod32", "no connection")
WHITE = Test(name="LIST_WHITE", detail="white domain/acme.example a@b.example", effect=Effect.ALLOW)
BLACK = Test(name="LIST_BLACK", detail="black cluster .bad.example", effect=Effect.BLOCK)


def policy(scope: str = "domain/acme.example", **values: Any) -> Policy:
    body = {key.replace("__", "."): value for key, value in values.items()}
    return resolve_policy([(scope, parse_policy(body))])


def spam(total: float) -> Scoring:
    return Scoring(total=total, tests=(Test(name="DNSBL_ZEN", score=total),))


def judge(
    *findings: Finding,
    scoring: Scoring | None = None,
    by: Policy | None = None,
    **more: bool,
) -> Disposed:
    return dispose(findings=findings, scoring=scoring or Scoring(), policy=by or policy(), **more)


def test_mail_in_which_nothing_was_found_is_delivered_without_marks() -> None:
    disposed = judge(scoring=spam(1.2))

    assert (disposed.disposition, disposed.marked, disposed.spam) == (Done.DELIVER, False, False)
    assert disposed.reason == "clean: score 1.2; policy score.mark=5.0 (default)"


def test_the_reason_names_the_threat_the_action_and_the_scope_that_set_it() -> None:
    disposed = judge(VIRUS, by=policy(virus="quarantine"))

    assert disposed.reason == (
        "virus: clamav Eicar-Test-Signature; policy virus=quarantine (domain/acme.example)"
    )


@pytest.mark.parametrize(
    ("total", "done", "marked", "key"),
    [
        (4.999, Done.DELIVER, False, "score.mark"),
        (5.0, Done.DELIVER, True, "score.mark"),
        (9.999, Done.DELIVER, True, "score.mark"),
        (10.0, Done.QUARANTINE, True, "score.quarantine"),
        (19.999, Done.QUARANTINE, True, "score.quarantine"),
        (20.0, Done.DROP, True, "score.drop"),
    ],
)
def test_the_score_leads_to_the_highest_threshold_that_it_reaches(
    total: float, done: Done, marked: bool, key: str
) -> None:
    disposed = judge(scoring=spam(total), by=policy(score__drop=20.0))

    assert (disposed.disposition, disposed.marked) == (done, marked)
    assert key in disposed.reason


def test_a_score_refuses_mail_only_before_the_answer() -> None:
    refusing = policy(score__reject=15.0, score__drop=20.0)

    before = judge(scoring=spam(16.0), by=refusing, can_reject=True)
    assert (before.disposition, before.cause) == (Done.REJECT, Cause.SCORE)
    assert judge(scoring=spam(16.0), by=refusing).disposition is Done.QUARANTINE
    assert judge(scoring=spam(20.0), by=refusing, can_reject=True).disposition is Done.DROP
    assert judge(scoring=spam(14.0), by=refusing, can_reject=True).disposition is Done.QUARANTINE


def test_no_score_drops_mail_unless_somebody_asked_for_it() -> None:
    assert judge(scoring=spam(1e6)).disposition is Done.QUARANTINE


@pytest.mark.parametrize(
    ("kind", "done", "marked"),
    [
        (FindingKind.VIRUS, Done.QUARANTINE, True),
        (FindingKind.UNSCANNABLE, Done.QUARANTINE, True),
        (FindingKind.ARCHIVE_UNREADABLE, Done.QUARANTINE, True),
        (FindingKind.ENCRYPTED, Done.DELIVER, True),
        (FindingKind.MACRO, Done.DELIVER, True),
        (FindingKind.UNAVAILABLE, Done.WAIT, True),
        (FindingKind.UNAVAILABLE_ERROR, Done.WAIT, True),
        (FindingKind.UNAVAILABLE_TIMEOUT, Done.WAIT, True),
        (FindingKind.VIRUS_OUTVOTED, Done.DELIVER, True),
    ],
)
def test_the_defaults_are_those_of_the_policy_keys(
    kind: FindingKind, done: Done, marked: bool
) -> None:
    disposed = judge(Finding(kind, "clamav", ""))

    assert (disposed.disposition, disposed.marked) == (done, marked)


@pytest.mark.parametrize("kind", FindingKind)
def test_each_finding_is_weighed_by_the_policy_key_of_its_name(kind: FindingKind) -> None:
    others = {other.value: "mark" for other in FindingKind if other is not kind}

    disposed = judge(Finding(kind, "clamav", ""), by=policy(**{**others, kind.value: "quarantine"}))

    assert disposed.disposition is Done.QUARANTINE
    assert f"policy {kind.value}=quarantine (domain/acme.example)" in disposed.reason


@pytest.mark.parametrize("kind", [FindingKind.UNAVAILABLE_ERROR, FindingKind.UNAVAILABLE_TIMEOUT])
def test_a_failed_engine_is_weighed_as_one_that_is_away_where_the_policy_says_no_more(
    kind: FindingKind,
) -> None:
    disposed = judge(Finding(kind, "clamav", ""), by=policy(unavailable="quarantine"))

    assert disposed.disposition is Done.QUARANTINE
    assert "policy unavailable=quarantine (domain/acme.example)" in disposed.reason


@pytest.mark.parametrize("word", ["wait", "quarantine", "mark"])
def test_nothing_is_delivered_that_no_engine_has_seen(word: str) -> None:
    silence = Finding(FindingKind.UNAVAILABLE, "clamav", "no connection", is_of_all=True)

    assert judge(silence, by=policy(unavailable=word)).disposition is not Done.DELIVER
    waited = judge(silence, by=policy(unavailable=word), waited_out=True)
    assert waited.disposition is Done.QUARANTINE


def test_a_white_list_never_delivers_a_virus() -> None:
    disposed = judge(VIRUS, scoring=Scoring(total=50.0, allowed=WHITE))

    assert disposed.disposition is Done.QUARANTINE
    assert disposed.cause is Cause.VIRUS


def test_a_white_list_never_shortens_the_wait_for_an_engine() -> None:
    assert judge(SILENT, scoring=Scoring(allowed=WHITE)).disposition is Done.WAIT


def test_a_white_list_switches_the_score_off_and_says_which_entry() -> None:
    disposed = judge(scoring=Scoring(total=50.0, allowed=WHITE))

    assert (disposed.disposition, disposed.marked, disposed.spam) == (Done.DELIVER, False, False)
    assert disposed.reason == (
        "whitelist: white domain/acme.example a@b.example; score 50.0 not weighed"
    )


def test_a_black_list_entry_acts_by_its_policy_key_and_is_named() -> None:
    disposed = judge(scoring=Scoring(blocked=BLACK))

    assert disposed.disposition is Done.QUARANTINE
    assert disposed.spam
    assert disposed.quarantine_reason == "blacklist"
    assert disposed.reason == (
        "blacklist: black cluster .bad.example; policy blacklist=quarantine (default)"
    )


def test_a_virus_does_not_wait_for_another_engine() -> None:
    assert judge(SILENT, VIRUS).cause is Cause.VIRUS


def test_spam_waits_for_the_engine_that_may_still_name_a_virus() -> None:
    disposed = judge(SILENT, scoring=spam(12.0))

    assert disposed.disposition is Done.WAIT
    assert disposed.settled is None
    assert disposed.reason == "unavailable: nod32 no connection; policy unavailable=wait (default)"


def test_an_archive_that_nobody_opened_waits_for_the_engine_that_may_open_it() -> None:
    archive = Finding(FindingKind.ARCHIVE_UNREADABLE, "yara", "cannot open: rar")
    silent = Finding(FindingKind.UNAVAILABLE, "clamav", "no answer")

    assert judge(archive, silent).disposition is Done.WAIT
    assert judge(archive).quarantine_reason == "unscannable"
    assert judge(archive, by=policy(archive__unreadable="mark")).disposition is Done.DELIVER


def test_what_is_dropped_anyway_waits_for_nobody() -> None:
    disposed = judge(SILENT, scoring=spam(30.0), by=policy(score__drop=20.0))

    assert disposed.disposition is Done.DROP


def test_what_has_waited_for_the_hold_days_is_quarantined_as_waited() -> None:
    disposed = judge(SILENT, waited_out=True)

    assert disposed.disposition is Done.QUARANTINE
    assert disposed.quarantine_reason == "waited"


@pytest.mark.parametrize(
    ("action", "done", "marked"),
    [("quarantine", Done.QUARANTINE, True), ("mark", Done.DELIVER, True)],
)
def test_a_silent_engine_leads_to_what_the_policy_says(
    action: str, done: Done, marked: bool
) -> None:
    disposed = judge(SILENT, by=policy(unavailable=action))

    assert (disposed.disposition, disposed.marked) == (done, marked)


def test_a_policy_that_delivers_viruses_does_not_deliver_the_spam_among_them() -> None:
    disposed = judge(VIRUS, scoring=spam(12.0), by=policy(virus="deliver"))

    assert disposed.disposition is Done.QUARANTINE
    assert disposed.quarantine_reason == "spam"


def test_a_policy_that_delivers_what_was_found_is_the_reason() -> None:
    disposed = judge(VIRUS, by=policy(virus="deliver"))

    assert (disposed.disposition, disposed.marked) == (Done.DELIVER, False)
    assert disposed.reason.startswith("virus: clamav Eicar-Test-Signature; policy virus=deliver")


def test_after_250_reject_acts_as_quarantine_and_says_so() -> None:
    disposed = judge(VIRUS, by=policy(virus="reject"))

    assert disposed.disposition is Done.QUARANTINE
    assert disposed.quarantine_reason == "virus"
    assert disposed.reason.endswith("which after 250 acts as quarantine")


def test_before_250_reject_rejects() -> None:
    disposed = judge(VIRUS, by=policy(virus="reject"), can_reject=True)

    assert disposed.settled is Disposition.REJECT


def test_a_spam_policy_of_reject_after_250_waits_for_the_missing_engine() -> None:
    disposed = judge(SILENT, scoring=Scoring(blocked=BLACK), by=policy(blacklist="reject"))

    assert disposed.disposition is Done.WAIT


def test_mail_for_a_postmaster_without_a_mailbox_is_quarantined_as_such() -> None:
    disposed = judge(scoring=spam(7.0), homeless_postmaster=True)

    assert disposed.disposition is Done.QUARANTINE
    assert disposed.quarantine_reason == "postmaster"


def test_a_virus_for_the_postmaster_is_filed_as_a_virus() -> None:
    assert judge(VIRUS, homeless_postmaster=True).quarantine_reason == "virus"


def test_text_from_outside_cannot_break_the_line_of_a_reason() -> None:
    disposed = judge(
        Finding(FindingKind.VIRUS, "clamav", "Evil\r\nBcc: x\x1b[2J\u202e" + "y" * 999)
    )

    assert disposed.reason.isascii()
    assert disposed.reason.isprintable()
    assert len(disposed.reason) <= 500


findings = st.lists(
    st.builds(Finding, st.sampled_from(FindingKind), st.just("clamav"), st.just("x")), max_size=4
)
scorings = st.builds(
    Scoring,
    total=st.floats(-100, 100),
    allowed=st.sampled_from([None, WHITE]),
    blocked=st.sampled_from([None, BLACK]),
).map(lambda s: s if s.allowed is None else Scoring(total=s.total, allowed=s.allowed))
policies = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(key.form.choices)
        for name, key in POLICY_KEYS.items()
        if isinstance(key.form, KeyChoice)
    },
).map(lambda values: resolve_policy([("cluster", parse_policy(values))]))


@given(findings, scorings, policies, st.booleans(), st.booleans())
def test_a_virus_is_never_delivered_unless_its_own_policy_key_says_so(
    found: list[Finding], scoring: Scoring, by: Policy, waited: bool, can_reject: bool
) -> None:
    disposed = dispose(
        findings=[VIRUS, *found],
        scoring=scoring,
        policy=by,
        waited_out=waited,
        can_reject=can_reject,
    )

    if by.virus not in (Action.DELIVER, Action.MARK):
        assert disposed.disposition not in (Done.DELIVER, Done.WAIT)


@given(findings, scorings, policies)
def test_waiting_ends_after_the_hold_days_and_reject_after_250(
    found: list[Finding], scoring: Scoring, by: Policy
) -> None:
    disposed = dispose(findings=found, scoring=scoring, policy=by, waited_out=True)

    assert disposed.settled in (Disposition.DELIVER, Disposition.QUARANTINE, Disposition.DROP)
    assert bool(disposed.quarantine_reason) == (disposed.settled is Disposition.QUARANTINE)
    assert disposed.reason


@given(findings, scorings, policies)
def test_another_finding_never_makes_the_answer_milder(
    found: list[Finding], scoring: Scoring, by: Policy
) -> None:
    order = [Done.DELIVER, Done.WAIT, Done.QUARANTINE, Done.REJECT, Done.DROP]

    fewer = dispose(findings=found[1:], scoring=scoring, policy=by)
    more = dispose(findings=found, scoring=scoring, policy=by)

    is_wait_for_spam = more.disposition is Done.WAIT and fewer.disposition is Done.QUARANTINE
    assert is_wait_for_spam or order.index(more.disposition) >= order.index(fewer.disposition)


ASKS_REJECT = Test(name="DMARC_FAIL_REJECT", detail="a.example: x", effect=Effect.ASK_REJECT)
ASKS_QUARANTINE = Test(name="DMARC_FAIL_QUARANTINE", effect=Effect.ASK_QUARANTINE)


@pytest.mark.parametrize(
    ("key", "asked", "before", "done", "marked"),
    [
        ("ignore", ASKS_REJECT, True, Done.DELIVER, False),
        ("mark", ASKS_QUARANTINE, True, Done.DELIVER, True),
        ("mark", ASKS_REJECT, True, Done.DELIVER, True),
        ("quarantine", ASKS_QUARANTINE, True, Done.QUARANTINE, True),
        ("quarantine", ASKS_REJECT, True, Done.QUARANTINE, True),
        ("reject", ASKS_QUARANTINE, True, Done.QUARANTINE, True),
        ("reject", ASKS_REJECT, True, Done.REJECT, True),
        ("reject", ASKS_REJECT, False, Done.QUARANTINE, True),
    ],
)
def test_what_the_authors_domain_asks_for_is_done_as_far_as_the_policy_goes(
    key: str, asked: Test, before: bool, done: Done, marked: bool
) -> None:
    disposed = judge(scoring=Scoring(asked=asked), by=policy(dmarc=key), can_reject=before)

    assert (disposed.disposition, disposed.marked) == (done, marked)
    assert (disposed.cause is Cause.DMARC) is (key != "ignore")


def test_the_reason_names_the_domain_that_asked() -> None:
    disposed = judge(scoring=Scoring(asked=ASKS_REJECT), by=policy(dmarc="quarantine"))

    assert disposed.reason == "dmarc: a.example: x; policy dmarc=quarantine (domain/acme.example)"


def test_what_a_scan_found_stands_above_what_the_authors_domain_asks_for() -> None:
    disposed = judge(
        VIRUS, SILENT, scoring=Scoring(asked=ASKS_REJECT), by=policy(dmarc="quarantine")
    )

    assert disposed.cause is Cause.VIRUS
