"""What do tests of the core's rooms share?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.custody.release import Releases
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.tables_at_once import tables_at_once

__all__ = ["arrivals", "bodies", "custody", "fake_clock", "releases", "store", "tables_at_once"]

CLAIM_WAIT_S = 30.0


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, fake_clock: FakeClock) -> AsyncIterator[Database]:
    async with await Database.open(tmp_path / "core.db", clock=fake_clock) as opened:
        yield opened


@pytest.fixture
async def bodies(tmp_path: Path) -> BodyFolder:
    return await BodyFolder.open(tmp_path / "bodies")


@pytest.fixture
def arrivals(store: Database, bodies: BodyFolder, fake_clock: FakeClock) -> Arrivals:
    return Arrivals(database=store, bodies=bodies, clock=fake_clock)


@pytest.fixture
def custody(store: Database, bodies: BodyFolder, fake_clock: FakeClock) -> Custody:
    return Custody(database=store, bodies=bodies, clock=fake_clock)


@pytest.fixture
def releases(store: Database, bodies: BodyFolder, fake_clock: FakeClock) -> Releases:
    return Releases(database=store, bodies=bodies, clock=fake_clock, claim_wait_s=CLAIM_WAIT_S)
