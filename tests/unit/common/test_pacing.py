"""Does a thread with much to do rest as long as it works?"""

from __future__ import annotations

import gc
from itertools import pairwise

from common.pacing import (
    GC_THRESHOLDS,
    GONE_ITEMS,
    LOOK_ITEMS,
    REST_S,
    WORK_S,
    lasting,
    let_go,
    paced,
    settle_memory,
)


def test_it_rests_whenever_it_has_worked_for_its_time() -> None:
    now_s = 0.0
    rests: list[float] = []

    def rest(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        rests.append(now_s)

    def work(item: int) -> int:
        nonlocal now_s
        now_s += WORK_S / LOOK_ITEMS / 2
        return item

    count = 20 * LOOK_ITEMS
    passed = [work(item) for item in paced(range(count), now_s=lambda: now_s, rest=rest)]

    assert passed == list(range(count))
    assert len(rests) == 9
    assert max(later - before for before, later in pairwise(rests)) <= WORK_S * 1.01 + REST_S


def test_what_is_short_never_rests() -> None:
    rests: list[float] = []

    assert list(paced("abc", now_s=lambda: 0.0, rest=rests.append)) == ["a", "b", "c"]
    assert rests == []


def test_what_lasts_is_spared_the_long_looks_until_the_last_block_ends() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    first, second = lasting(), lasting()
    try:
        first.__enter__()
        second.__enter__()
        made = [[number] for number in range(100)]
        first.__exit__(None, None, None)

        assert gc.get_threshold()[1] > 1_000_000
        assert gc.get_freeze_count() == frozen

        second.__exit__(None, None, None)
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() >= frozen + len(made)
    finally:
        gc.unfreeze()


def test_what_is_let_go_goes_altogether() -> None:
    items = [object() for _ in range(3 * GONE_ITEMS + 1)]

    let_go(items)

    assert items == []


def test_what_was_made_at_the_start_is_not_looked_at_again() -> None:
    before = gc.get_threshold()
    try:
        settle_memory()

        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == GC_THRESHOLDS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
