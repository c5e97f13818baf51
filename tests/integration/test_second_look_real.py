"""A real clamd that learns of a threat after the first scan: nobody gets what was kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.preferences import Kind
from common.records import Event
from common.settings.satellite import EngineSettings
from common.states import State
from core.store.database import Database
from satellite.judging.second_look import SecondLook
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from satellite.scanning.risk import Risk
from satellite.scanning.run import Scanner
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.core.rooms import accepted, ended, identity, made_id, record
from tests.support.core.rooms import route as core_route
from tests.support.judging.judging_room import JudgingRoom
from tests.support.scanning.clamd import Clamd, clamd_binary
from tests.support.scanning.messages import WINDOWS_PROGRAM, with_attachment
from tests.support.spool.open_spool import accept, clock, open_spool, spool, spool_folder

__all__ = ["clock", "open_spool", "spool", "spool_folder"]

pytestmark = pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed")

HOUR_S = 3600.0
NEW = WINDOWS_PROGRAM + b"nobody has met this before"
RISKY = with_attachment(NEW)


@pytest.fixture
def clamd(tmp_path: Path) -> Iterator[Clamd]:
    with Clamd(tmp_path) as running:
        yield running


@pytest.fixture
async def room(spool: Spool, clock: FakeClock, clamd: Clamd) -> AsyncIterator[JudgingRoom]:
    helper = Helper(clock=SystemClock())
    context = EngineContext(clock=SystemClock(), helper=helper)
    engine = EngineSettings(name="clamav", kind="clamd", address=clamd.address)
    scanner = Scanner(build_engines([engine], context), clock, registry=CollectorRegistry())
    room = JudgingRoom(
        spool,
        clock,
        scanner=scanner,
        risk=Risk(helper),
        kept_bytes_max=1 << 20,
        engines=[{"name": "clamav", "kind": "clamd", "address": clamd.address}],
    )
    await room.prefer(route("acme.example"), document(Kind.POLICY, "cluster", zero_hour=60.0))
    yield room
    await scanner.close()
    await helper.close()


async def test_what_a_later_definition_knows_is_not_delivered(
    room: JudgingRoom, clock: FakeClock, clamd: Clamd
) -> None:
    message = await accept(room.spool, body=RISKY)
    await room.judging.judge(message)
    assert room.states(message) == {State.WAITING}
    (record,) = room.records(Event.WAITING, message)
    assert record["verdicts"][0]["outcome"] == "clean"

    clamd.learn("New.Threat", NEW)
    await clock.advance(HOUR_S)
    await room.judging.judge(message)

    (recipient,) = room.recipients(message).values()
    assert recipient.state is State.QUARANTINED
    assert "New.Threat" in recipient.reason


async def test_what_nobody_knows_by_then_is_delivered(room: JudgingRoom, clock: FakeClock) -> None:
    message = await accept(room.spool, body=RISKY)
    await room.judging.judge(message)
    await clock.advance(HOUR_S)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    assert room.offered == [message]


async def test_a_definition_that_comes_after_the_delivery_is_told_of_at_every_site(
    room: JudgingRoom, clock: FakeClock, clamd: Clamd, tmp_path: Path
) -> None:
    await room.prefer(route("acme.example"), revision=2)
    message = await accept(room.spool, body=RISKY)
    await room.judging.judge(message)
    assert room.states(message) == {State.QUEUED}
    assert room.scanner is not None
    registry = CollectorRegistry()
    look = SecondLook(
        room.ring,
        scanner=room.scanner,
        spool=room.spool,
        stop=room.spool.freeze,
        definitions=lambda: {"clamav": ""},
        is_idle=lambda: True,
        clock=clock,
        registry=registry,
    )
    looking = asyncio.create_task(look.run())
    scans = "borderscout_second_look_scans_total"
    await passing(clock, lambda: registry.get_sample_value(scans) == 1)
    assert room.records(Event.CONDEMNED, message) == []

    clamd.learn("New.Threat", NEW)
    await clock.advance(HOUR_S)
    await passing(clock, lambda: bool(room.records(Event.CONDEMNED, message)))

    looking.cancel()
    (told,) = room.records(Event.CONDEMNED, message)
    assert told["threat"].startswith("New.Threat")
    assert (told["late"], told["digests"]) == (True, [sha256(NEW).hexdigest()])
    assert room.states(message) == {State.FROZEN}, "what has not left is stopped"
    async with await Database.open(tmp_path / "core.db", clock=clock) as core:
        await core.preferences.publish([core_route("acme.example", "acme")], who="t")
        other = made_id(7)
        await core.records.take(
            identity("par1"),
            [
                accepted(1, other),
                record(2, "scanned", other, verdicts=[], digests=[sha256(NEW).hexdigest()]),
                ended(3, other, "delivered"),
            ],
        )
        await core.records.take(identity("lon1"), room.spool.records(after=0, limit=100))
        (group,) = (await core.late.report())["customers"]
    assert {one["id"]: one["by"]["id"] for one in group["messages"]} == {
        other: message,
        message: message,
    }


async def passing(clock: FakeClock, is_so: Callable[[], bool]) -> None:
    """Let time pass until something is so; clamd answers in its own."""
    async with asyncio.timeout(60):
        while not is_so():
            await clock.advance(1.0)
            await asyncio.sleep(0.005)
