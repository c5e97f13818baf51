"""What do all shards together know of what each has seen?"""

from __future__ import annotations

import pytest

from common.sliding_count import KEEP_S
from common.tallies import ToldTally
from core.fleet import tally_sums
from core.fleet.tally_sums import CELLS_SUMMED_MAX, KINDS_OF_NODE_MAX, TallyOrigin, TallySums

LON = TallyOrigin(("lon1", 0), "a" * 16)
FRA = TallyOrigin(("fra1", 0), "b" * 16)
NYC = TallyOrigin(("nyc1", 0), "c" * 16)


def tally(amount: int, *, key: int = 1, kind: str = "mail", age_s: int = 0) -> ToldTally:
    return ToldTally((kind, key.to_bytes(16, "big")), ((age_s, amount),))


def heard(sums: TallySums, origin: TallyOrigin, *, now_s: float = 100.0) -> dict[int, int]:
    """Return what a shard is told now, by key."""
    told = sums.untold(origin, now_s=now_s)
    return {
        int.from_bytes(each.key[1], "big"): sum(amount for _, amount in each.ages) for each in told
    }


@pytest.fixture
def sums() -> TallySums:
    made = TallySums()
    for origin in (LON, FRA, NYC):
        made.came(origin)
    return made


def test_each_is_told_what_all_others_have_seen(sums: TallySums) -> None:
    sums.told(LON, [tally(3)], now_s=100.0)
    sums.told(FRA, [tally(4)], now_s=100.0)

    assert heard(sums, LON) == {1: 4}
    assert heard(sums, FRA) == {1: 3}
    assert heard(sums, NYC) == {1: 7}
    assert heard(sums, NYC) == {}  # once


def test_what_is_repeated_counts_once(sums: TallySums) -> None:
    for _ in range(3):
        sums.told(LON, [tally(3)], now_s=100.0)

    assert heard(sums, FRA) == {1: 3}
    assert sums.cells == 1


def test_what_nobody_else_has_seen_is_not_told_back(sums: TallySums) -> None:
    sums.told(LON, [tally(3)], now_s=100.0)

    assert heard(sums, LON) == {}


def test_who_comes_later_is_told_all(sums: TallySums) -> None:
    late = TallyOrigin(("ams1", 0), "d" * 16)
    sums.told(LON, [tally(3)], now_s=100.0)

    sums.came(late)

    assert heard(sums, late) == {1: 3}


def test_a_shard_that_left_goes_on_to_count_and_its_next_life_is_told_of_it(
    sums: TallySums,
) -> None:
    sums.told(LON, [tally(3)], now_s=100.0)
    sums.left(LON)
    assert heard(sums, LON) == {}

    again = TallyOrigin(LON.place, "e" * 16)
    sums.came(again)
    sums.told(again, [tally(1)], now_s=101.0)

    assert heard(sums, again) == {1: 3}
    assert heard(sums, FRA) == {1: 4}


def test_what_is_new_is_told_before_what_is_told_again(
    sums: TallySums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_sums, "TALLIES_OF_MESSAGE_MAX", 2)
    sums.told(LON, [tally(1, key=key) for key in range(1, 6)], now_s=100.0)
    sums.left(FRA)
    sums.came(FRA)

    sums.told(LON, [tally(9, key=77)], now_s=100.0)

    assert 77 in heard(sums, FRA)
    assert len(heard(sums, FRA)) == 2


def test_a_mad_node_fills_its_own_room_and_nobody_elses(
    sums: TallySums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_sums, "CELLS_OF_NODE_MAX", 50)
    sums.told(FRA, [tally(3, key=900_000)], now_s=100.0)

    for start in range(0, 1_000, 100):
        mad = TallyOrigin(("lon1", start % 7), f"{start:016x}")
        sums.told(mad, [tally(1, key=start + one) for one in range(100)], now_s=100.0)

    assert sums.cells <= 51
    assert len(sums) <= 51
    assert sums.given_way == 950
    late = TallyOrigin(("ams1", 0), "d" * 16)
    sums.came(late)
    assert heard(sums, late)[900_000] == 3


def test_a_mad_node_cannot_make_kinds_without_end(sums: TallySums) -> None:
    sums.told(LON, [tally(1, kind=f"k{one}") for one in range(500)], now_s=100.0)

    assert len(sums) == KINDS_OF_NODE_MAX


def test_what_waits_for_a_shard_that_does_not_listen_is_bounded(
    sums: TallySums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_sums, "UNTOLD_MAX", 10)
    monkeypatch.setattr(tally_sums, "CELLS_OF_NODE_MAX", 5)

    sums.told(LON, [tally(1, key=key) for key in range(100)], now_s=100.0)

    assert len(sums._hearers[FRA].fresh) == 10


def test_what_is_too_old_goes(sums: TallySums) -> None:
    sums.told(LON, [tally(1, key=1)], now_s=100.0)

    sums.told(LON, [tally(1, key=2)], now_s=100.0 + KEEP_S)

    assert sums.cells == 1


def test_a_tally_of_what_was_long_ago_is_not_kept(sums: TallySums) -> None:
    sums.told(LON, [tally(1, age_s=int(KEEP_S) + 5)], now_s=KEEP_S * 2)

    assert sums.cells == 0


def test_what_hundreds_have_seen_is_told_in_pieces_that_keep_nobody_waiting() -> None:
    sums = TallySums()
    sums.came(LON)
    for number in range(CELLS_SUMMED_MAX):
        node = TallyOrigin((f"n{number}", 0), "d" * 16)
        sums.told(node, [tally(1, key=key) for key in (1, 2, 3)], now_s=100.0)

    pieces = [heard(sums, LON) for _ in range(4)]

    assert pieces == [{key: CELLS_SUMMED_MAX} for key in (1, 2, 3)] + [{}]
