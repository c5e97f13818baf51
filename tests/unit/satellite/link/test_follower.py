"""The follower takes what follows, refuses what does not, and answers each batch once."""

from __future__ import annotations

import pytest

from common.identity import ShardIdentity
from common.link import Answer, Batch, Bookmark, LinkRefusal, PreferencesHello, Unreadable
from common.preferences import Document, Epoch, Position
from satellite.link import assembly as assembly_file
from satellite.link import follower as follower_file
from satellite.link.follower import (
    Announce,
    Applied,
    Apply,
    ApplyFailed,
    Command,
    ComplainOfPreferences,
    Connected,
    Disconnected,
    Follower,
    Say,
)

EPOCH = Epoch(2, "22222222-2222-4222-8222-222222222222")
OLDER = Epoch(1, "11111111-1111-4111-8111-111111111111")
RIVAL = Epoch(2, "33333333-3333-4333-8333-333333333333")
NEWER = Epoch(3, "44444444-4444-4444-8444-444444444444")
WHO = ShardIdentity("lon1", 0, "01KDVDNA000000000000000001")
OURS = bytes([1]) * 32
THEIRS = bytes([2]) * 32
DOCUMENT = Document("route", "a.example", 6, b"{}")


def at(revision: int, epoch: Epoch = EPOCH) -> Position:
    return Position(epoch, revision)


def follower_at(revision: int = 5) -> Follower:
    follower = Follower(identity=WHO, applied=at(revision), digest=OURS)
    follower.handle(Connected(), now_s=0.0)
    return follower


def delta(base: int, target: int, *, nonce: str = "1", last_part: bool = True) -> Batch:
    return Batch(
        nonce=nonce,
        base=at(base),
        target=at(target),
        documents=(DOCUMENT,),
        snapshot=False,
        last_part=last_part,
        digest=THEIRS,
    )


def snapshot(target: Position, *, nonce: str = "1", last_part: bool = True) -> Batch:
    return Batch(
        nonce=nonce,
        base=None,
        target=target,
        documents=(DOCUMENT,),
        snapshot=True,
        last_part=last_part,
        digest=THEIRS,
    )


def refusal_in(commands: list[Command]) -> LinkRefusal:
    answers = [c.message for c in commands if isinstance(c, Say)]
    (answer,) = answers
    assert isinstance(answer, Answer)
    assert answer.refusal is not None
    return answer.refusal


def test_a_connection_begins_with_what_is_applied_and_its_digest() -> None:
    follower = Follower(identity=WHO, applied=at(5), digest=OURS)

    assert follower.handle(Connected(), now_s=0.0) == [
        Say(PreferencesHello(identity=WHO, applied=at(5), digest=OURS))
    ]


def test_a_delta_from_here_is_applied_and_answered_only_once_it_is_durable() -> None:
    follower = follower_at(5)

    assert follower.handle(delta(5, 6), now_s=1.0) == [
        Apply(nonce="1", documents=(DOCUMENT,), position=at(6), digest=THEIRS, snapshot=False)
    ]
    assert follower.handle(Applied("1", at(6), THEIRS), now_s=1.0) == [
        Announce(at(6)),
        Say(Answer(nonce="1", applied=at(6), digest=THEIRS)),
    ]


def test_a_repeated_delta_is_acknowledged_and_not_applied_again() -> None:
    follower = follower_at(6)

    assert follower.handle(delta(5, 6), now_s=1.0) == [
        Say(Answer(nonce="1", applied=at(6), digest=OURS))
    ]


def test_a_gap_asks_for_everything() -> None:
    refusal = refusal_in(follower_at(5).handle(delta(6, 7), now_s=1.0))

    assert refusal.wants_snapshot


def test_the_parts_of_a_batch_are_applied_together_after_the_last() -> None:
    follower = follower_at(5)

    assert follower.handle(snapshot(at(9), last_part=False), now_s=1.0) == []
    (command,) = follower.handle(snapshot(at(9)), now_s=1.0)

    assert isinstance(command, Apply)
    assert command.documents == (DOCUMENT, DOCUMENT)


def test_parts_of_a_batch_that_was_cut_are_forgotten() -> None:
    follower = follower_at(5)
    follower.handle(snapshot(at(9), last_part=False), now_s=1.0)
    follower.handle(Disconnected(), now_s=1.0)
    follower.handle(Connected(), now_s=1.0)

    (command,) = follower.handle(snapshot(at(9)), now_s=1.0)

    assert isinstance(command, Apply)
    assert command.documents == (DOCUMENT,)


def test_parts_that_disagree_are_refused_once() -> None:
    follower = follower_at(5)
    follower.handle(snapshot(at(9), last_part=False), now_s=1.0)

    refused = follower.handle(snapshot(at(10), last_part=False), now_s=1.0)
    rest = follower.handle(snapshot(at(10)), now_s=1.0)

    assert "disagree" in refusal_in(refused).reason
    assert rest == []


def test_a_batch_without_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly_file, "ASSEMBLY_BYTES_MAX", 300)
    follower = follower_at(5)
    follower.handle(snapshot(at(9), last_part=False), now_s=1.0)

    refused = follower.handle(snapshot(at(9), last_part=False), now_s=1.0)

    assert "MiB" in refusal_in(refused).reason
    assert follower.handle(snapshot(at(9), last_part=False), now_s=1.0) == []
    assert follower.handle(snapshot(at(9)), now_s=1.0) == []
    (command,) = follower.handle(delta(5, 6, nonce="2"), now_s=1.0)
    assert isinstance(command, Apply)


def test_a_bad_document_is_named_and_the_last_good_set_stays() -> None:
    follower = follower_at(5)
    follower.handle(delta(5, 6), now_s=1.0)
    refusal = LinkRefusal(kind="rule", key="r", reason="the pattern is not valid")

    commands = follower.handle(ApplyFailed("1", refusal), now_s=1.0)

    assert commands[-1] == Say(Answer(nonce="1", applied=at(5), digest=OURS, refusal=refusal))
    assert isinstance(commands[0], ComplainOfPreferences)
    assert commands[0].problem.revision == 6
    assert follower.refused == commands[0].problem


def test_a_later_revision_that_is_applied_ends_the_complaint() -> None:
    follower = follower_at(5)
    follower.handle(delta(5, 6), now_s=1.0)
    follower.handle(ApplyFailed("1", LinkRefusal(reason="bad")), now_s=1.0)
    follower.handle(delta(5, 7, nonce="2"), now_s=1.0)

    follower.handle(Applied("2", at(7), THEIRS), now_s=1.0)

    assert follower.refused is None


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (snapshot(at(99, OLDER)), "earlier one"),
        (snapshot(at(99, RIVAL)), "same generation"),
        (snapshot(at(4)), "lost changes"),
    ],
)
def test_a_core_of_another_past_is_refused_and_told_why(batch: Batch, says: str) -> None:
    commands = follower_at(5).handle(batch, now_s=1.0)

    refusal = refusal_in(commands)
    assert says in refusal.reason
    assert not refusal.wants_snapshot


def test_a_core_of_a_later_generation_is_followed_even_to_a_lower_revision() -> None:
    (command,) = follower_at(5).handle(snapshot(at(1, NEWER)), now_s=1.0)

    assert isinstance(command, Apply)


def test_a_set_that_was_changed_here_is_repaired_by_the_one_that_was_announced() -> None:
    follower = Follower(identity=WHO, applied=at(5), digest=THEIRS, found=OURS)

    assert follower.handle(Connected(), now_s=0.0) == [
        Say(PreferencesHello(identity=WHO, applied=at(5), digest=OURS))
    ]
    (command,) = follower.handle(snapshot(at(5)), now_s=1.0)
    assert isinstance(command, Apply)
    follower.handle(Applied("1", at(5), THEIRS), now_s=1.0)
    assert not follower.is_damaged


def test_another_set_at_our_revision_is_another_history_and_not_taken() -> None:
    follower = follower_at(5)

    assert "two histories" in refusal_in(follower.handle(snapshot(at(5)), now_s=1.0)).reason
    assert follower.applied == at(5)


def test_a_batch_of_a_later_version_is_refused_by_its_nonce() -> None:
    commands = follower_at(5).handle(Unreadable(nonce="7", reason="unknown field"), now_s=1.0)

    assert commands[-1] == Say(
        Answer(nonce="7", applied=at(5), digest=OURS, refusal=LinkRefusal(reason="unknown field"))
    )


def test_what_is_left_of_a_batch_that_cannot_be_read_is_no_batch_of_its_own() -> None:
    follower = follower_at(5)
    unreadable = Unreadable(nonce="1", reason="unknown field")
    follower.handle(delta(5, 6, last_part=False), now_s=1.0)

    assert refusal_in(follower.handle(unreadable, now_s=1.0)).reason == "unknown field"
    assert follower.handle(unreadable, now_s=1.0) == []
    assert follower.handle(delta(5, 6), now_s=1.0) == []
    assert follower.refused is not None
    assert follower.refused.reason == "unknown field"

    follower.handle(Disconnected(), now_s=2.0)
    follower.handle(Connected(), now_s=2.0)
    (command,) = follower.handle(delta(5, 6), now_s=2.0)
    assert isinstance(command, Apply), "on another stream nonces begin anew"


def test_the_lag_is_what_the_bookmark_says_beyond_what_is_applied() -> None:
    follower = follower_at(5)

    follower.handle(Bookmark(position=at(8), time_us=0), now_s=10.0)

    assert follower.lag(now_s=11.0) == 3
    assert follower.age_s(now_s=14.0) == 4.0


def test_the_lag_is_unknown_and_never_zero_without_a_fresh_word_of_the_core() -> None:
    follower = follower_at(5)
    assert follower.lag(now_s=1.0) is None
    assert follower.age_s(now_s=1.0) is None

    follower.handle(Bookmark(position=at(5), time_us=0), now_s=10.0)
    assert follower.lag(now_s=11.0) == 0
    assert follower.lag(now_s=10.0 + follower_file.BOOKMARK_STALE_S + 1) is None

    follower.handle(Bookmark(position=at(5, NEWER), time_us=0), now_s=50.0)
    assert follower.lag(now_s=51.0) is None

    follower.handle(Bookmark(position=at(5), time_us=0), now_s=60.0)
    follower.handle(Disconnected(), now_s=61.0)
    assert follower.lag(now_s=61.0) is None


def test_a_stream_that_nobody_has_answered_says_nothing_of_the_lag() -> None:
    follower = follower_at(5)
    follower.handle(Bookmark(position=at(5), time_us=0), now_s=10.0)
    follower.handle(Disconnected(), now_s=11.0)

    follower.handle(Connected(), now_s=12.0)

    assert follower.lag(now_s=12.0) is None
    follower.handle(Bookmark(position=at(7), time_us=0), now_s=13.0)
    assert follower.lag(now_s=13.0) == 2


def test_with_the_core_away_the_age_grows_with_the_time() -> None:
    follower = follower_at(5)
    follower.handle(Bookmark(position=at(5), time_us=0), now_s=10.0)
    follower.handle(Disconnected(), now_s=20.0)

    assert [follower.age_s(now_s=10.0 + day * 86_400.0) for day in (1, 8)] == [86_400.0, 691_200.0]


def test_an_earlier_cores_bookmark_makes_nothing_look_fresh() -> None:
    follower = follower_at(5)

    follower.handle(Bookmark(position=at(50, OLDER), time_us=0), now_s=10.0)

    assert follower.age_s(now_s=11.0) is None


def test_the_cores_clock_orders_nothing() -> None:
    # A core whose clock is an hour slow, and then a day fast.
    follower = follower_at(5)

    for time_us in (10**15, 10**15 - 3_600_000_000, 10**15 + 86_400_000_000):
        follower.handle(Bookmark(position=at(6), time_us=time_us), now_s=10.0)

        assert follower.lag(now_s=10.0) == 1
        assert follower.age_s(now_s=10.0) == 0.0


def test_a_snapshot_that_we_have_already_is_acknowledged_and_not_applied_again() -> None:
    follower = Follower(identity=WHO, applied=at(5), digest=THEIRS)
    follower.handle(Connected(), now_s=0.0)

    assert follower.handle(snapshot(at(5)), now_s=1.0) == [
        Say(Answer(nonce="1", applied=at(5), digest=THEIRS))
    ]
