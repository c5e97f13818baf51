"""Does a thread with much to do rest as long as it works?"""

from __future__ import annotations

from itertools import pairwise

from common.pacing import LOOK_ITEMS, REST_S, WORK_S, paced


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
