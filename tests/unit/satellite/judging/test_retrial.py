"""What would be done with a message that was judged, under other preferences?"""

from __future__ import annotations

from typing import Any

import pytest

from common.envelope import Envelope
from common.preferences import Preferences
from common.preferences.documents import NOTHING, new_document
from common.records import verdict_from_object
from satellite.judging.disposition import Cause, Disposed, Done
from satellite.judging.retrial import PastMail, Retried, retried

X, Y = "x@acme.example", "y@other.example"
CLEAN = {"by": "clamav", "outcome": "clean"}
LISTED = {"by": "zen", "outcome": "scored", "tests": [{"name": "DNSBL_ZEN", "score": 4.0}]}


def preferences(*documents: tuple[str, str, dict[str, Any]]) -> Preferences:
    made = (new_document(kind, key, body) for kind, key, body in documents)
    return Preferences.from_documents(made, position=NOTHING)


def tried(by: Preferences, *verdicts: dict[str, Any]) -> dict[str, Disposed]:
    return {whose: one.disposed for whose, one in all_of(by, *verdicts).items()}


def all_of(by: Preferences, *verdicts: dict[str, Any]) -> dict[str, Retried]:
    past = PastMail(
        envelope=Envelope(
            client_address="192.0.2.7", helo="mail", sender="a@sender.example", recipients=(X, Y)
        ),
        verdicts=tuple(map(verdict_from_object, verdicts)),
        judged_us=1_800_000_000_000_000,
    )
    return dict(retried(past, by, engines={"clamav"}))


def test_a_threshold_counts_for_whom_it_is_set() -> None:
    stricter = preferences(("policy", "domain/acme.example", {"score.quarantine": 4}))

    done = tried(stricter, CLEAN, LISTED)

    assert (done[X].disposition, done[Y].disposition) == (Done.QUARANTINE, Done.DELIVER)
    assert tried(preferences(), CLEAN, LISTED)[X].disposition is Done.DELIVER


def test_a_weight_is_weighed() -> None:
    heavier = preferences(("weight", "cluster/DNSBL_ZEN", {"score": 12}))

    assert tried(heavier, CLEAN, LISTED)[X].disposition is Done.QUARANTINE


def test_lists_are_asked_anew_and_what_they_said_then_is_forgotten() -> None:
    entry = {"name": "LIST_WHITE", "detail": "white cluster sender.example", "effect": "allow"}
    white = {"by": "lists", "outcome": "scored", "tests": [entry]}
    spam = LISTED | {"tests": [{"name": "DNSBL_ZEN", "score": 40.0}]}
    black = preferences(("list", f"black/recipient/{X}/sender.example", {}))

    assert tried(preferences(), CLEAN, white, spam)[X].disposition is Done.QUARANTINE
    done = tried(black, CLEAN)
    assert (done[X].disposition, done[Y].disposition) == (Done.QUARANTINE, Done.DELIVER)


def test_a_virus_stays_one_though_nobody_knows_the_engine_any_more() -> None:
    found = {"by": "gone", "outcome": "infected", "threats": ["Win.Test"]}

    assert tried(preferences(), CLEAN, found)[X].disposition is Done.QUARANTINE
    ignored = preferences(("threat", "gone/Win.Test", {"action": "ignore"}))
    assert tried(ignored, CLEAN, found)[X].disposition is Done.DELIVER


def test_a_silent_engine_is_weighed_and_a_silent_filter_is_not() -> None:
    silent = {"by": "clamav", "outcome": "timeout"}
    slow = {"by": "zen", "outcome": "timeout", "tests": [{"name": "DNSBL_ZEN", "score": 0.0}]}

    assert tried(preferences(), silent)[X].disposition is Done.WAIT
    assert tried(preferences(), CLEAN, slow)[X].disposition is Done.DELIVER


def test_what_another_version_wrote_weighs_nothing() -> None:
    odd = {"by": "zen", "outcome": "foretold", "tests": [{"name": "Z", "score": 1e308}]}
    infinite = LISTED | {"tests": [{"name": "DNSBL_ZEN", "score": float("inf"), "effect": "x"}]}

    assert tried(preferences(), CLEAN, odd, infinite)[X].score == 0.0


SPAM = LISTED | {"tests": [{"name": "DNSBL_ZEN", "score": 40.0}]}
WHITE: tuple[str, str, dict[str, Any]] = ("list", "white/cluster/sender.example", {})


def authenticated(*tests: tuple[str, str]) -> dict[str, Any]:
    told = [{"name": name, "detail": detail} for name, detail in tests]
    return {"by": "authentication", "outcome": "scored", "tests": told}


def test_a_white_entry_without_a_proof_helps_no_forger_of_the_past() -> None:
    forged = authenticated(("SPF_FAIL", "sender.example: not of its own"), ("DKIM_NONE", ""))

    assert tried(preferences(WHITE), CLEAN, SPAM, forged)[X].disposition is Done.QUARANTINE
    assert tried(preferences(WHITE), CLEAN, SPAM)[X].disposition is Done.QUARANTINE


@pytest.mark.parametrize(
    "proof",
    [("SPF_PASS", "sender.example: by ip4"), ("DKIM_PASS", "sender.example"),
     ("DMARC_PASS", "sender.example")],
)  # fmt: skip
def test_what_the_record_says_of_the_sender_proves_a_white_entry(proof: tuple[str, str]) -> None:
    assert tried(preferences(WHITE), CLEAN, SPAM, authenticated(proof))[X].cause is Cause.WHITELIST


def test_a_proof_of_somebody_else_is_none() -> None:
    other = authenticated(("SPF_PASS", "other.example"), ("DKIM_PASS", "list.example: good"))

    assert tried(preferences(WHITE), CLEAN, SPAM, other)[X].disposition is Done.QUARANTINE


def test_a_policy_that_trusts_envelopes_wants_no_proof() -> None:
    trusting = preferences(WHITE, ("policy", f"recipient/{X}", {"whitelist.proof": "envelope"}))

    done = tried(trusting, CLEAN, SPAM)

    assert (done[X].disposition, done[Y].disposition) == (Done.DELIVER, Done.QUARANTINE)


def test_what_proved_an_entry_then_proves_it_where_nobody_else_was_asked() -> None:
    detail = "white cluster sender.example (added by joe): a partner: spf pass for sender.example"
    lists = {
        "by": "lists",
        "outcome": "scored",
        "tests": [{"name": "LIST_WHITE", "detail": detail}],
    }

    assert tried(preferences(WHITE), CLEAN, SPAM, lists)[X].disposition is Done.DELIVER


def test_it_says_where_nobody_knows_whether_a_white_entry_counts() -> None:
    forged = authenticated(("SPF_FAIL", "sender.example"))

    assert all_of(preferences(WHITE), CLEAN)[X].is_proof_unknown
    assert not all_of(preferences(WHITE), CLEAN, forged)[X].is_proof_unknown
    assert not all_of(preferences(), CLEAN)[X].is_proof_unknown
