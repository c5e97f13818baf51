"""A node's word of a target replaces its former one, within a room of its own, and ages."""

from __future__ import annotations

import asyncio

import pytest

from common.round_trips import RoundTrip
from core.store import round_trips
from core.store.database import Database
from core.store.round_trips import KEPT_US, KeptRoundTrip
from tests.support.clock import START_US, FakeClock

A, B, C = "a.example:25", "b.example:25/mx", "c.example:25"
FIRST = ("", "")


def trip(target: str, rtt_us: int | None = 5_000, *, age_s: int = 0) -> RoundTrip:
    return RoundTrip(target, rtt_us, 10, 10 if rtt_us is None else 1, age_s)


async def kept(store: Database) -> list[tuple[str, str]]:
    found = await store.round_trips.page(after=FIRST, limit=1_000)
    return [(one.node, one.target) for one in found]


async def rest() -> None:
    await asyncio.sleep(0)


async def test_the_last_word_counts_and_its_age_is_by_the_cores_clock(
    store: Database, fake_clock: FakeClock
) -> None:
    await store.round_trips.take("lon1", [trip(A), trip(A, 7_000)])
    await fake_clock.advance(60)
    await store.round_trips.take("lon1", [trip(A, None, age_s=40)])

    (found,) = await store.round_trips.page(after=FIRST, limit=10)

    assert found == KeptRoundTrip(
        node="lon1",
        target=A,
        rtt_us=None,
        tries=10,
        failures=10,
        measured_us=START_US + 20_000_000,
    )


async def test_nothing_told_changes_nothing(store: Database) -> None:
    await store.round_trips.take("lon1", [])

    assert await kept(store) == []


async def test_pages_follow_each_other_by_node_and_target(store: Database) -> None:
    await store.round_trips.take("par1", [trip(A)])
    await store.round_trips.take("lon1", [trip(C), trip(B), trip(A)])

    pages, after = [], FIRST
    while page := await store.round_trips.page(after=after, limit=3):
        after = (page[-1].node, page[-1].target)
        pages.append([(one.node, one.target) for one in page])

    assert pages == [[("lon1", A), ("lon1", B), ("lon1", C)], [("par1", A)]]


async def test_a_node_that_says_too_much_pushes_out_its_own_oldest_word(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trips, "TARGETS_MAX", 2)
    await store.round_trips.take("par1", [trip(A, age_s=500)])
    await store.round_trips.take("lon1", [trip(A, age_s=9), trip(B, age_s=8)])

    await store.round_trips.take("lon1", [trip(C)])

    assert await kept(store) == [("lon1", B), ("lon1", C), ("par1", A)]


async def test_what_nobody_measures_any_more_is_forgotten_after_a_week(
    store: Database, fake_clock: FakeClock
) -> None:
    await store.round_trips.take("lon1", [trip(A)])
    await fake_clock.advance(10)
    await store.round_trips.take("lon1", [trip(B)])
    await fake_clock.advance(KEPT_US / 1e6 - 5)

    assert await store.round_trips.forget(rest=rest) == 1

    assert await kept(store) == [("lon1", B)]
