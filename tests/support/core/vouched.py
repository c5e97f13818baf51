"""Is all that ``crash_writer`` vouched for still there, and nothing by halves?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from common.preferences import Kind, Preferences
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.quarantine.cases import CaseState
from core.records.reports import ReportGroup
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.crash_writer import LON, body_of, entry_keys
from tests.support.core.rooms import made_id


@dataclass(slots=True)
class Vouched:
    """The last of each kind that a core said is durable."""

    revision: int = 0
    sequence: int = 0
    held: int = -1

    def hear(self, lines: Iterable[str]) -> None:
        """Take the writer's lines; one that was cut off says nothing."""
        for line in lines:
            word, _, number = line.partition(" ")
            if word in ("revision", "sequence", "held") and number.strip().isdigit():
                setattr(self, word, max(getattr(self, word), int(number)))

    async def check(self, folder: Path) -> None:
        """Open the core's store and hold it against what was vouched for.

        Raises:
            AssertionError: something is lost, doubled or torn (P2, P3).
        """
        clock = FakeClock()
        async with await Database.open(folder / "core.db", clock=clock) as store:
            await self._check_preferences(store)
            await self._check_records(store)
            await self._check_quarantine(store, folder, clock)

    async def _check_preferences(self, store: Database) -> None:
        published = await store.preferences.documents_after(0, limit=1 << 31)
        assert [p.position.revision for p in published] == list(range(1, len(published) + 1))
        assert len(published) >= self.revision
        rebuilt = Preferences()
        for one in published:
            assert [d.key for d in one.documents] == entry_keys(one.position.revision)
            rebuilt = rebuilt.applied(one.documents, position=one.position)
            assert rebuilt.digest == one.digest
        assert rebuilt.digest == store.preferences.current.digest
        assert len(store.preferences.current.documents(Kind.LIST)) == 3 * len(published)

    async def _check_records(self, store: Database) -> None:
        last = await store.records.last_sequence(LON)
        assert last >= self.sequence
        assert last % 2 == 0  # batches of two are whole
        totals = (await store.records.report(ReportGroup.DAY, sites={}))["totals"]
        assert totals["delivered"] == totals["accepted"] == last // 2
        if last:
            (newest,) = await store.records.track(made_id(100_000 + last - 2))
            assert [e["event"] for e in newest["events"]] == ["accepted", "ended"]

    async def _check_quarantine(self, store: Database, folder: Path, clock: FakeClock) -> None:
        bodies = await BodyFolder.open(folder / "bodies")
        custody = Custody(database=store, bodies=bodies, clock=clock)
        cases = {case.message_id: case for case in await custody.cases(limit=10_000)}
        for number in range(self.held + 1):
            assert cases[made_id(number)].state is CaseState.HELD
        for number in range(len(cases)):
            case = cases[made_id(number)]
            if case.state is CaseState.HELD:
                assert await custody.read(case.message_id, 0, 1 << 20) == body_of(number)
