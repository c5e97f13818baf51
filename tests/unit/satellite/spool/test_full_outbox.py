"""While the core is away its records take so much room and no more, and what went is told."""

from __future__ import annotations

import pytest

from common.records import Event, GapRecord, LogRecord, NotAcceptingRecord, read
from satellite.spool.model.messages import Disposition
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.ending import judgement
from tests.support.spool.open_spool import OpenSpool, accept

RECORD = NotAcceptingRecord(reason="x" * 400, cause="disk")
SECOND_US = 1_000_000


async def note(spool: Spool, clock: FakeClock, count: int) -> None:
    for _ in range(count):
        await spool.note(RECORD)
        await clock.advance(1.0)


def told(spool: Spool) -> tuple[GapRecord, list[LogRecord]]:
    """Return the gap at the head of the outbox, and what stands behind it."""
    first, *rest = spool.records(after=0, limit=10_000)
    gap = read(first.event, first.fields)
    assert isinstance(gap, GapRecord)
    assert gap.last == first.sequence
    return gap, rest


async def test_below_its_limit_nothing_goes(spool: Spool, clock: FakeClock) -> None:
    await note(spool, clock, 20)

    await spool.bound_outbox(spool.outbox_bytes)

    assert len(spool.records(after=0, limit=100)) == 20
    assert spool.outbox_gap() is None


async def test_the_oldest_go_and_the_gap_says_how_many_and_from_when_to_when(
    spool: Spool, clock: FakeClock
) -> None:
    began_us = clock.now_us()
    await note(spool, clock, 100)
    limit = spool.outbox_bytes // 2

    await spool.bound_outbox(limit)

    gap, rest = told(spool)
    assert spool.outbox_bytes <= limit
    assert gap.first == 1
    assert gap.records == gap.last
    assert gap.records + len(rest) == 100
    assert [record.sequence for record in rest] == list(range(gap.last + 1, 101))
    assert (gap.since_us, gap.until_us) == (began_us, began_us + (gap.last - 1) * SECOND_US)


async def test_one_gap_stands_for_all_that_ever_went(spool: Spool, clock: FakeClock) -> None:
    began_us = clock.now_us()
    limit = 20_000
    for _ in range(3):
        await note(spool, clock, 60)
        await spool.bound_outbox(limit)

    gap, rest = told(spool)
    assert not any(record.event is Event.GAP for record in rest)
    assert gap.first == 1
    assert gap.records + len(rest) == 180
    assert gap.since_us == began_us


async def test_what_is_quarantined_never_goes(spool: Spool, clock: FakeClock) -> None:
    message = await accept(spool)
    await spool.judge(message, judgement(Disposition.QUARANTINE))
    await note(spool, clock, 20)

    await spool.bound_outbox(0)

    assert [upload.message.id for upload in spool.uploads(limit=10)] == [message]
    assert len(spool.records(after=0, limit=100)) == 1


async def test_the_room_that_records_take_is_known_after_a_restart(
    open_spool: OpenSpool, clock: FakeClock
) -> None:
    spool = await open_spool()
    await note(spool, clock, 50)
    await spool.bound_outbox(spool.outbox_bytes // 2)
    await spool.acknowledge_records(spool.records(after=0, limit=3)[-1].sequence)
    known = spool.outbox_bytes

    spool = await open_spool()

    assert spool.outbox_bytes == known


async def test_an_operator_is_told_until_the_core_knows(spool: Spool, clock: FakeClock) -> None:
    await note(spool, clock, 50)
    await spool.bound_outbox(10_000)
    gap, _ = told(spool)
    (problem,) = spool.problems()
    assert problem.startswith(f"{gap.records} log records from 20")

    await spool.acknowledge_records(gap.last)

    assert spool.problems() == ()


@pytest.mark.parametrize("limit", [0, 1])
async def test_however_little_room_there_is_the_outbox_goes_on(
    spool: Spool, clock: FakeClock, limit: int
) -> None:
    await note(spool, clock, 5)
    await spool.bound_outbox(limit)
    await spool.bound_outbox(limit)

    await note(spool, clock, 1)

    assert spool.last_sequence() == 6
    gap, rest = told(spool)
    assert (gap.records, len(rest)) == (5, 1)
