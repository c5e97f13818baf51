"""What gives way when there are more things than there is room for?"""

from __future__ import annotations

import tracemalloc

from common.sliding_count import SlidingCount
from satellite.tallies.counted_things import CELLS_MAX, KINDS_MAX, Counts

LONG_S = 1e6


def key(number: int, kind: str = "k") -> tuple[str, bytes]:
    return kind, number.to_bytes(16, "big")


def test_what_was_seen_last_stays_and_what_gave_way_is_estimated() -> None:
    counts = Counts(1, cells_max=10)

    for number in range(20):
        counts.add(key(number), 3, now_s=float(number))

    assert counts.given_way == 10
    assert counts.get(key(19)) is not None
    assert counts.get(key(0)) is None
    assert counts.total(key(0), LONG_S, now_s=20.0) == 3  # from the sketch


def test_what_gave_way_is_counted_on_from_where_it_was() -> None:
    counts = Counts(1, cells_max=2)
    counts.add(key(1), 3, now_s=1.0)
    counts.add(key(2), 1, now_s=2.0)
    counts.add(key(3), 1, now_s=3.0)

    assert counts.add(key(1), 2, now_s=4.0) == 5


def test_a_flood_of_one_kind_drives_no_other_out() -> None:
    counts = Counts(1, cells_max=100)
    for number in range(20):
        counts.add(key(number, "quiet"), 1, now_s=1.0)

    for number in range(1_000):
        counts.add(key(number, "flood"), 1, now_s=2.0)

    assert all(counts.get(key(number, "quiet")) is not None for number in range(20))
    assert counts.cells <= 100


def test_what_others_say_replaces_what_they_said() -> None:
    counts = Counts(None, cells_max=100)

    for amount in (5, 5, 7):
        counts.put(key(1), SlidingCount.of_ages([(0, amount)], now_s=9.0), now_s=9.0)

    assert counts.total(key(1), 60.0, now_s=9.0) == 7
    assert counts.cells == 1


def test_others_cannot_make_kinds_without_end() -> None:
    counts = Counts(None)

    for number in range(KINDS_MAX * 3):
        one = SlidingCount.of_ages([(0, 1)], now_s=9.0)
        counts.put(key(1, f"k{number}"), one, now_s=9.0)

    assert len(counts) == KINDS_MAX


def test_a_full_room_has_the_memory_that_is_stated() -> None:
    tracemalloc.start()
    try:
        counts = Counts(1)
        for number in range(CELLS_MAX + 5_000):
            counts.add(key(number), 1, now_s=float(number % 7))
        octets, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert counts.cells <= CELLS_MAX
    assert octets < 25_000_000
