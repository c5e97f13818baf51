"""Is what waits for the core counted, however much it is?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from common.records import StartedRecord
from satellite.spool.disk.schema import open_writer
from satellite.spool.outbox import Outbox
from satellite.spool.store import Spool
from tests.support.clock import FakeClock


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    with contextlib.closing(open_writer(tmp_path / "spool.db")) as opened:
        yield opened


async def test_records_wait_until_the_core_has_them(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=FakeClock())
    assert spool.backlog_sizes() == (0, 0)

    await spool.note(*[StartedRecord()] * 3)
    assert spool.backlog_sizes() == (3, 0)
    await spool.acknowledge_records(2)
    assert spool.backlog_sizes() == (1, 0)
    await spool.acknowledge_records(3)

    assert spool.backlog_sizes() == (0, 0)
    await spool.close()


def test_counting_reads_no_table_from_end_to_end(connection: apsw.Connection) -> None:
    # It is asked every two seconds, and a core that is away for days leaves millions of records.
    plans: list[str] = []

    def select(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        plans.extend(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
        return connection.execute(sql, values).fetchall()

    outbox = Outbox(select)
    outbox.sizes()
    outbox.last_sequence()

    assert any("outbox" in plan for plan in plans)
    assert [plan for plan in plans if plan.startswith("SCAN outbox")] == []
