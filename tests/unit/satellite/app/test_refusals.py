"""Refusals come to the core by the outbox, and into the node's own log."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from common.records import RefusedRecord, read
from satellite.app import refusals as refusals_file
from satellite.app.refusals import TELL_EVERY_S, Refusals
from satellite.smtp.refusal_log import RefusalLog, RefusedClient
from satellite.spool.store import Spool
from tests.support.clock import FakeClock

FORGED = 'a"\n{"event":"forged"}@elsewhere.example'


def refuse(refusal_log: RefusalLog, clock: FakeClock) -> None:
    client = RefusedClient(address="192.0.2.7", recipients=(FORGED,), command="RCPT")
    refusal_log.note(client, reason="relay_denied", reply="550 no", now_us=clock.now_us())


def records_of(spool: Spool) -> list[RefusedRecord]:
    found = [read(one.event, one.fields) for one in spool.records(after=0, limit=1000)]
    return [one for one in found if isinstance(one, RefusedRecord)]


async def test_seven_hundred_refusals_leave_a_trace_that_adds_up(tmp_path: Path) -> None:
    clock, refusal_log = FakeClock(), RefusalLog()
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)
    refusals = Refusals(refusal_log, spool, clock, is_logged=True)
    for _ in range(700):
        refuse(refusal_log, clock)

    with structlog.testing.capture_logs() as lines:
        refusals_file.log = structlog.get_logger()
        await refusals.tell()
        for _ in range(int(60 / TELL_EVERY_S)):
            await clock.advance(TELL_EVERY_S)
            await refusals.tell()

    told = records_of(spool)
    assert sum(one.refusals for one in told) == 700
    assert len(told) < 20
    assert [line["event"] for line in lines] == ["smtp.refused"] * len(told)
    assert all(one.recipients[0].isprintable() for one in told)
    await spool.close()


async def test_a_log_that_is_switched_off_says_nothing_and_the_core_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, refusal_log = FakeClock(), RefusalLog()
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)
    refuse(refusal_log, clock)

    await Refusals(refusal_log, spool, clock, is_logged=False).tell()

    assert len(records_of(spool)) == 1
    assert capsys.readouterr().out == ""
    await spool.close()
