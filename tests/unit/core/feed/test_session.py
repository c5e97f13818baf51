"""A satellite gets what it lacks, once, and everything when the two share no past."""

from __future__ import annotations

import pytest

from common.identity import ShardIdentity
from common.link import Answer, LinkRefusal, PreferencesHello
from common.preferences import Epoch, Position
from common.preferences.documents import NOTHING
from common.reports import PreferenceProblem
from core.feed.session import (
    BatchSent,
    BookmarkDue,
    Command,
    End,
    FeedSession,
    Greeted,
    Moved,
    NoHistory,
    PreferenceStanding,
    SendAll,
    SendBookmark,
    SendChanges,
)

EPOCH = Epoch(2, "22222222-2222-4222-8222-222222222222")
OLDER = Epoch(1, "11111111-1111-4111-8111-111111111111")
WHO = ShardIdentity("lon1", 0, "01KDVDNA000000000000000001")
A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))


def at(revision: int, epoch: Epoch = EPOCH) -> Position:
    return Position(epoch, revision)


def greeted(
    session: FeedSession, applied: Position, *, digest: bytes = A, known: bytes | None = A
) -> list[Command]:
    hello = PreferencesHello(identity=WHO, applied=applied, digest=digest)
    commands = session.handle(Greeted(hello, known))
    return [command for command in commands if not isinstance(command, PreferenceStanding)]


def answered(session: FeedSession, nonce: str, applied: Position, digest: bytes) -> list[Command]:
    return session.handle(Answer(nonce=nonce, applied=applied, digest=digest))


def refused(
    session: FeedSession, nonce: str, applied: Position, refusal: LinkRefusal
) -> list[Command]:
    return session.handle(Answer(nonce=nonce, applied=applied, digest=A, refusal=refusal))


def test_who_has_everything_gets_a_bookmark_and_nothing_else() -> None:
    assert greeted(FeedSession(head=at(5)), at(5)) == [SendBookmark(at(5))]


def test_who_lacks_some_gets_the_changes_since() -> None:
    assert greeted(FeedSession(head=at(5)), at(3)) == [SendChanges("1", at(3))]


@pytest.mark.parametrize(
    ("applied", "digest", "known"),
    [
        (NOTHING, A, None),  # a new shard
        (at(4, OLDER), A, A),  # another life of the core's database
        (at(3), A, None),  # a revision that is not kept
        (at(9), A, None),  # a revision that never was
        (at(3), A, B),  # another set at the same revision
        (at(5), A, B),
    ],
)
def test_who_shares_no_past_gets_everything(
    applied: Position, digest: bytes, known: bytes | None
) -> None:
    assert greeted(FeedSession(head=at(5)), applied, digest=digest, known=known) == [SendAll("1")]


def test_a_core_without_preferences_sends_no_batch() -> None:
    assert greeted(FeedSession(head=at(0)), NOTHING, known=None) == [SendBookmark(at(0))]


def test_one_batch_is_under_way_and_the_next_follows_its_answer() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(4))
    session.handle(BatchSent(at(5), B))

    assert session.handle(Moved(at(7))) == []
    assert session.handle(BookmarkDue()) == []
    assert answered(session, "1", at(5), B) == [
        PreferenceStanding(at(5), None, None, agreed=at(5)),
        SendChanges("2", at(5)),
    ]


def test_after_the_last_answer_a_bookmark_says_so_at_once() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(4))
    session.handle(BatchSent(at(5), B))

    assert answered(session, "1", at(5), B)[-1] == SendBookmark(at(5))


def test_an_answer_to_an_earlier_batch_is_no_answer_to_this_one() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(4))
    session.handle(BatchSent(at(5), B))

    assert answered(session, "0", at(5), B) == []
    assert session.handle(BookmarkDue()) == []


def test_a_refused_revision_is_not_sent_again_until_there_is_a_newer_one() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(4))
    session.handle(BatchSent(at(5), B))

    commands = refused(session, "1", at(4), LinkRefusal(kind="rule", key="r", reason="bad"))

    (standing, bookmark) = commands
    assert isinstance(standing, PreferenceStanding)
    assert standing.refused is not None
    assert (standing.refused.revision, standing.refused.key) == (5, "r")
    assert bookmark == SendBookmark(at(5))
    assert session.handle(Moved(at(5))) == []
    assert session.handle(Moved(at(6))) == [SendChanges("2", at(4))]


def test_a_refused_revision_is_not_sent_again_on_a_new_connection_either() -> None:
    session = FeedSession(head=at(5), refused_target=at(5))

    assert greeted(session, at(4)) == [SendBookmark(at(5))]


def test_a_gap_is_answered_with_everything_once() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(4))
    session.handle(BatchSent(at(5), B))
    gap = LinkRefusal(reason="gap", wants_snapshot=True)

    assert refused(session, "1", at(4), gap)[-1] == SendAll("2")

    session.handle(BatchSent(at(5), B))
    assert refused(session, "2", at(4), gap)[-1] == SendBookmark(at(5))


def test_an_acknowledged_set_with_another_digest_is_repaired_by_everything() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(4))
    session.handle(BatchSent(at(5), B))

    assert answered(session, "1", at(5), C)[-1] == SendAll("2")


def test_changes_that_are_not_kept_become_everything() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(4))

    assert session.handle(NoHistory()) == [SendAll("2")]


def test_an_earlier_core_does_not_speak_to_a_satellite_of_a_later_one() -> None:
    commands = greeted(FeedSession(head=at(50, OLDER)), at(5))

    assert isinstance(commands[-1], End)
    assert "earlier" in commands[-1].reason


def test_with_nothing_new_bookmarks_go_on() -> None:
    session = FeedSession(head=at(5))
    greeted(session, at(5))

    assert session.handle(BookmarkDue()) == [SendBookmark(at(5))]


def standing_at_hello(session: FeedSession, *, known: bytes) -> PreferenceStanding:
    hello = PreferencesHello(identity=WHO, applied=at(5), digest=A)
    standing = session.handle(Greeted(hello, known))[0]
    assert isinstance(standing, PreferenceStanding)
    return standing


def test_what_was_refused_is_over_once_the_shard_has_what_the_core_has() -> None:
    problem = PreferenceProblem(revision=5, kind="", key="", reason="it lost changes")
    session = FeedSession(head=at(5), refused=problem, refused_target=at(5))

    assert standing_at_hello(session, known=A) == PreferenceStanding(at(5), None, None, at(5))


def test_another_set_at_the_shards_revision_is_none_of_ours() -> None:
    assert standing_at_hello(FeedSession(head=at(5)), known=B).agreed is None
