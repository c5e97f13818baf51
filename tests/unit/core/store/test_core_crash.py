"""Does the core keep what it vouched for, and nothing by halves, when it is killed? (P2, P3)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common.preferences import Kind, Preferences
from core.quarantine.bodies import BodyFolder
from core.quarantine.cases import CaseState
from core.quarantine.custody import Custody
from core.records.reports import By
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core_crash_writer import LON, body_of, entry_keys
from tests.support.core_rooms import made_id

ROOT = Path(__file__).parents[4]
MOMENTS = (1, 2, 3, 5, 8, 13, 21, 4, 6, 7, 9, 30)  # the n-th acknowledgement after each start


def _run_until(folder: Path, moment: int) -> dict[str, int]:
    """Let the core work, kill it at its n-th acknowledgement; return the last of each kind."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.core_crash_writer", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    vouched: dict[str, int] = {}
    with child:
        assert child.stdout is not None
        for _ in range(moment):
            word, number = child.stdout.readline().split()
            vouched[word] = int(number)
        child.kill()
        # What it still managed to say before it died it has vouched for too.
        for line in child.stdout:
            if line.endswith("\n"):
                word, number = line.split()
                vouched[word] = int(number)
    return vouched


async def _check_preferences(store: Database, vouched: int) -> None:
    published = await store.preferences.documents_after(0, limit=1 << 31)
    assert [p.position.revision for p in published] == list(range(1, len(published) + 1))
    assert len(published) >= vouched
    rebuilt = Preferences()
    for one in published:
        assert [d.key for d in one.documents] == entry_keys(one.position.revision)
        rebuilt = rebuilt.applied(one.documents, position=one.position)
        assert rebuilt.digest == one.digest
    assert rebuilt.digest == store.preferences.current.digest
    assert len(store.preferences.current.documents(Kind.LIST)) == 3 * len(published)


async def _check_records(store: Database, vouched: int) -> None:
    last = await store.records.last_sequence(LON)
    assert last >= vouched
    assert last % 2 == 0  # batches of two are whole
    totals = (await store.records.report(By.DAY, sites={}))["totals"]
    assert totals["delivered"] == totals["accepted"] == last // 2
    if last:
        (newest,) = await store.records.track(made_id(100_000 + last - 2))
        assert [e["event"] for e in newest["events"]] == ["accepted", "ended"]


async def _check_quarantine(store: Database, folder: Path, clock: FakeClock, vouched: int) -> None:
    bodies = await BodyFolder.open(folder / "bodies")
    custody = Custody(database=store, bodies=bodies, clock=clock)
    cases = {case.message_id: case for case in await custody.cases(limit=1_000)}
    for number in range(vouched + 1):
        assert cases[made_id(number)].state is CaseState.HELD
    for number in range(len(cases)):
        case = cases[made_id(number)]
        if case.state is CaseState.HELD:
            assert await custody.read(case.message_id, 0, 1 << 20) == body_of(number)


@pytest.mark.faults
async def test_whatever_was_vouched_for_is_there_after_a_kill_at_any_moment(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    vouched = {"revision": 0, "sequence": 0, "held": -1}

    for moment in MOMENTS:
        said = _run_until(tmp_path, moment)
        vouched = {word: max(vouched[word], said.get(word, -1)) for word in vouched}

        async with await Database.open(tmp_path / "core.db", clock=clock) as store:
            await _check_preferences(store, vouched["revision"])
            await _check_records(store, vouched["sequence"])
            await _check_quarantine(store, tmp_path, clock, vouched["held"])

    assert vouched["revision"] > len(MOMENTS) / 3
