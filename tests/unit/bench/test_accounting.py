"""Is the end of every message of a long run known, and right?"""

from __future__ import annotations

from dataclasses import replace

from tests.bench.accounting import Account, since

RIGHT = Account(
    accepted=100,
    unanswered=0,
    arrived=97,
    repeated=0,
    strange=0,
    ambiguous=0,
    core={"accepted": 100, "in_progress": 0, "delivered": 97, "quarantined": 2, "dropped": 1},
)


def test_a_run_in_which_everybody_agrees_has_no_complaint() -> None:
    assert RIGHT.complaints() == []
    assert RIGHT.unaccounted == 0


def test_a_message_that_the_core_calls_delivered_and_that_did_not_arrive_is_named() -> None:
    lost = replace(RIGHT, arrived=96)

    assert lost.complaints() == ["96 arrived, 97 were delivered"]
    assert lost.unaccounted == 1


def test_an_accepted_message_that_the_core_never_heard_of_is_named() -> None:
    unknown = replace(RIGHT, core={**RIGHT.core, "accepted": 99, "quarantined": 1})

    assert len(unknown.complaints()) == 2
    assert unknown.unaccounted == 1


def test_a_message_that_has_not_ended_is_named() -> None:
    waiting = replace(RIGHT, core={**RIGHT.core, "in_progress": 1, "dropped": 0})

    assert waiting.complaints() == ["1 have not ended", "100 were accepted, 99 have ended"]
    assert waiting.unaccounted == 1


def test_a_second_copy_is_right_only_where_an_answer_was_missing() -> None:
    assert replace(RIGHT, repeated=1, ambiguous=1).complaints() == []
    assert replace(RIGHT, repeated=2, ambiguous=1).complaints() == [
        "2 arrived twice, 1 had no clear answer"
    ]


def test_a_session_that_broke_may_have_been_accepted_or_not() -> None:
    core = {**RIGHT.core, "accepted": 101, "delivered": 98}

    assert replace(RIGHT, unanswered=1).complaints() == []
    assert replace(RIGHT, unanswered=1, arrived=98, core=core).complaints() == []
    assert replace(RIGHT, unanswered=0, arrived=98, core=core).complaints() != []


def test_mail_that_nobody_had_sent_is_named() -> None:
    assert replace(RIGHT, strange=3).complaints() == ["3 arrived that nobody had sent"]


def test_what_was_there_before_a_run_does_not_count() -> None:
    assert since({"accepted": 5}, {"accepted": 12, "dropped": 1}) == {"accepted": 7, "dropped": 1}
