"""Does each class have its turn every hour, whatever becomes of the others, and is it told?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.settings.core import CoreSettings
from core.custody.arrivals import Arrivals
from core.custody.custody import Custody
from core.quarantine.cases import CaseState
from core.retention.sweeper import SWEEP_S, Sweeper
from core.store.database import Database
from core.store.errors import StoreFailure
from tests.support.clock import FakeClock
from tests.support.core.face import core_settings
from tests.support.core.rooms import accepted, ended, identity, made_id, record, told_case

DAY_S = 86_400.0
LON = identity()


class HurriedClock(FakeClock):
    """A clock whose sleeps are over at once, and counted."""

    def __init__(self) -> None:
        super().__init__()
        self.slept_s = 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        await self.advance(seconds)


@pytest.fixture
def fake_clock() -> FakeClock:
    return HurriedClock()


@pytest.fixture
def settings(tmp_path: Path) -> CoreSettings:
    return core_settings(
        tmp_path, retention={"bodies_days": 10, "records_days": 20, "refusals_days": 20}
    )


@pytest.fixture
def sweeper(
    settings: CoreSettings, store: Database, custody: Custody, fake_clock: FakeClock
) -> Sweeper:
    return Sweeper(settings, database=store, custody=custody, clock=fake_clock)


async def test_a_sweep_takes_what_is_over_and_says_so(
    sweeper: Sweeper,
    store: Database,
    custody: Custody,
    arrivals: Arrivals,
    fake_clock: FakeClock,
) -> None:
    await store.records.take(LON, [record(1, "started"), accepted(2, made_id(9))])
    await store.records.take(LON, [ended(3, made_id(9), "quarantined")])
    await arrivals.open_case(LON, told_case(made_id(9), b"evil"))
    await arrivals.append(LON, made_id(9), 0, b"evil")
    await arrivals.complete(LON, made_id(9))
    assert sweeper.report.as_json()["last"] is None

    await sweeper.sweep()
    assert sweeper.report.classes
    assert not any(one.gone for one in sweeper.report.classes)
    await fake_clock.advance(15 * DAY_S)
    await sweeper.sweep()
    assert [case.state for case in await custody.cases()] == [CaseState.DELETED]
    (entry,) = await store.audit.recent()
    assert (entry.who, entry.what, entry.subject) == ("retention", "quarantine.expire", "1 body")
    await fake_clock.advance(6 * DAY_S)
    report = await sweeper.sweep()

    told = {one["name"]: one for one in report.as_json()["classes"]}
    assert (told["records"]["gone"], told["records"]["rows"]) == (3, 0)
    assert told["records"]["days"] == 20
    assert told["messages"]["rows"] == 1
    assert report.problems == {}
    assert report.next_us - report.ended_us == SWEEP_S * 1e6


async def test_a_class_that_fails_is_told_and_stops_no_other(
    sweeper: Sweeper, store: Database, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.audit.note(who="t", what="flush")
    await fake_clock.advance(2_000 * DAY_S)

    async def failing(**_: Any) -> int:
        raise StoreFailure("the disk is away")

    monkeypatch.setattr(store.retention, "records", failing)
    report = await sweeper.sweep()

    assert report.problems == {"records": "the disk is away"}
    assert await store.audit.recent() == []
    monkeypatch.undo()
    assert (await sweeper.sweep()).problems == {}


async def test_there_is_a_rest_after_each_step(
    sweeper: Sweeper, store: Database, fake_clock: HurriedClock
) -> None:
    await store.records.take(LON, [record(n, "started") for n in range(1, 1_200)])
    await fake_clock.advance(30 * DAY_S)
    fake_clock.slept_s = 0.0

    await sweeper.sweep()

    assert 0.15 <= fake_clock.slept_s < 10
