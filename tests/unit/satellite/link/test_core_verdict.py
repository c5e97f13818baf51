"""Which core may lead a shard: one history is followed, another one is refused and told why."""

from __future__ import annotations

import pytest

from common.identity import ShardIdentity
from common.link import Answer, Batch, Bookmark, CoreStanding
from common.preferences import Epoch, Position
from common.preferences.digest import EMPTY_DIGEST
from common.preferences.documents import NOTHING
from satellite.link.core_verdict import CoreVerdict, objection
from satellite.link.follower import (
    DAMAGED,
    ComplainOfPreferences,
    Connected,
    Disconnected,
    Follower,
    Leave,
    Looked,
    Named,
    Say,
)

EPOCH = Epoch(2, "22222222-2222-4222-8222-222222222222")
OLDER = Epoch(1, "11111111-1111-4111-8111-111111111111")
RIVAL = Epoch(2, "33333333-3333-4333-8333-333333333333")
NEWER = Epoch(3, "44444444-4444-4444-8444-444444444444")
OURS, THEIRS = bytes([1]) * 32, bytes([2]) * 32
A, B = "a" * 32, "b" * 32


def core(
    revision: int, epoch: Epoch = EPOCH, *, at_yours: bytes | None = OURS, life: str = A
) -> CoreStanding:
    return CoreStanding(
        position=Position(epoch, revision), digest=THEIRS, life=life, digest_at_yours=at_yours
    )


def follower_at(revision: int = 5) -> Follower:
    follower = Follower(
        identity=ShardIdentity("lon1", 0, "01KDVDNA000000000000000001"),
        applied=Position(EPOCH, revision),
        digest=OURS,
    )
    follower.handle(Connected(), now_s=0.0)
    return follower


@pytest.mark.parametrize(
    ("standing", "says"),
    [
        (core(5), ""),
        (core(9), ""),
        (core(1, NEWER, at_yours=None), ""),
        (core(99, OLDER), "an earlier one"),
        (core(5, RIVAL), "same generation"),
        (core(4, at_yours=None), "lost changes"),
        (core(5, at_yours=THEIRS), "two histories"),
        (core(9, at_yours=THEIRS), "two histories"),
        (core(5, at_yours=None), "two histories"),
        (core(500, at_yours=None), ""),  # it does not keep our revision any more
    ],
)
def test_a_core_is_followed_in_one_history_alone(standing: CoreStanding, says: str) -> None:
    found = objection(standing, applied=Position(EPOCH, 5), digest=OURS, latest=EPOCH)

    assert says in found
    assert bool(found) is bool(says)


def test_a_shard_that_never_followed_any_core_follows_the_first() -> None:
    standing = core(3, at_yours=EMPTY_DIGEST)

    assert not objection(standing, applied=NOTHING, digest=EMPTY_DIGEST, latest=NOTHING.epoch)


def test_a_refused_core_is_parted_with_and_the_lag_is_unknown() -> None:
    follower = follower_at(5)
    follower.handle(Named(core(5)), now_s=1.0)
    follower.handle(Bookmark(position=Position(EPOCH, 5), time_us=0), now_s=1.0)
    assert follower.lag(now_s=1.0) == 0

    commands = follower.handle(Named(core(4, at_yours=None, life=B)), now_s=2.0)

    assert isinstance(commands[0], ComplainOfPreferences)
    assert isinstance(commands[1], Leave)
    assert follower.verdict == CoreVerdict(B, commands[1].reason)
    assert follower.lag(now_s=2.0) is None


def test_a_lower_revision_that_has_caught_up_is_not_taken_for_ours() -> None:
    follower = follower_at(5)
    assert "lost changes" in str(follower.handle(Named(core(4, at_yours=None)), now_s=1.0))
    follower.handle(Disconnected(), now_s=1.0)

    for revision in (5, 6):
        follower.handle(Connected(), now_s=2.0)
        follower.handle(Named(core(revision, at_yours=THEIRS)), now_s=2.0)

        assert "two histories" in follower.core_refused
        assert follower.applied == Position(EPOCH, 5)


def test_a_refusal_is_over_once_our_own_core_is_back() -> None:
    follower = follower_at(5)
    follower.handle(Named(core(5, RIVAL)), now_s=1.0)
    assert follower.refused is not None

    follower.handle(Named(core(5, life=B)), now_s=2.0)

    assert follower.verdict == CoreVerdict(B)
    assert follower.refused is None


def test_the_core_of_a_later_epoch_fences_the_earlier_one_before_its_set_is_applied() -> None:
    follower = follower_at(5)
    follower.handle(Named(core(1, NEWER, at_yours=None)), now_s=1.0)
    assert follower.core_refused == ""

    follower.handle(Named(core(5, life=B)), now_s=2.0)

    assert "an earlier one" in follower.core_refused


def test_a_core_that_begins_a_new_epoch_meanwhile_stays_accepted() -> None:
    follower = follower_at(5)
    follower.handle(Named(core(5)), now_s=1.0)

    follower.handle(Bookmark(position=Position(NEWER, 5), time_us=0), now_s=2.0)

    assert follower.verdict == CoreVerdict(A)


def test_a_core_of_the_version_before_is_judged_by_what_it_does() -> None:
    follower = follower_at(5)
    assert follower.handle(Named(None), now_s=1.0) == []
    assert follower.verdict is None

    follower.handle(Bookmark(position=Position(EPOCH, 5), time_us=0), now_s=1.0)
    assert follower.verdict == CoreVerdict("")

    follower.handle(Disconnected(), now_s=2.0)
    assert follower.verdict is None, "whoever answers next may be another one"

    follower.handle(Connected(), now_s=3.0)
    follower.handle(Named(None), now_s=3.0)
    follower.handle(Bookmark(position=Position(EPOCH, 4), time_us=0), now_s=3.0)
    assert "lost changes" in follower.core_refused


def test_no_batch_of_a_refused_core_is_taken() -> None:
    follower = follower_at(5)
    follower.handle(Named(core(5, at_yours=THEIRS)), now_s=1.0)
    batch = Batch(
        nonce="1",
        base=Position(EPOCH, 5),
        target=Position(EPOCH, 6),
        documents=(),
        snapshot=False,
        last_part=True,
        digest=THEIRS,
    )

    answer = follower.handle(batch, now_s=1.0)[-1]

    assert isinstance(answer, Say)
    assert isinstance(answer.message, Answer)
    assert answer.message.refusal is not None
    assert "two histories" in answer.message.refusal.reason


def test_a_row_that_changed_here_is_no_fork_and_everything_is_asked_for() -> None:
    follower = follower_at(5)
    follower.handle(Named(core(5)), now_s=1.0)

    assert follower.handle(Looked(announced=OURS, found=OURS), now_s=1.0) == []
    assert follower.handle(Looked(announced=THEIRS, found=OURS), now_s=1.0) == []
    assert follower.handle(Looked(announced=OURS, found=THEIRS), now_s=1.0)[-1] == Leave(DAMAGED)

    (hello,) = follower.handle(Connected(), now_s=2.0)
    assert isinstance(hello, Say)
    assert hello.message.digest == THEIRS
    assert follower.handle(Named(core(5)), now_s=2.0) == []
    assert follower.core_refused == ""
