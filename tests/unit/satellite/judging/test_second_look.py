"""What was delivered is looked at again when an engine knows more, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from prometheus_client import CollectorRegistry

from common.ids import MessageId
from common.preferences import Kind
from common.records import Event
from common.verdict import Outcome, Verdict
from satellite.judging.delivered_ring import DeliveredMessage
from satellite.judging.second_look import BLIND_S, LOOK_S, SecondLook
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.judging.judging_room import CLEAN, INFECTED, SILENT, JudgingRoom
from tests.support.node.shard import until
from tests.support.scanning.messages import WINDOWS_PROGRAM, with_attachment
from tests.support.spool.open_spool import SMALL, accept

RISKY = with_attachment(WINDOWS_PROGRAM)
SOON_S = LOOK_S + 5.0


class WatchedLook(SecondLook):
    """Says while it is at a message: what it waits for then is no clock of the test."""

    is_busy = False
    gone_at: MessageId | None = None

    async def _scan(self, one: DeliveredMessage) -> bool:
        self.is_busy = True
        try:
            return await super()._scan(one) and one.id != self.gone_at
        finally:
            self.is_busy = False


class Looking:
    """A second look at what a judging room has delivered."""

    def __init__(self, room: JudgingRoom, clock: FakeClock) -> None:
        self.room = room
        self.clock = clock
        self.definitions = {"yara": "1"}
        self.is_idle = True
        self.stopped: list[tuple[MessageId, str]] = []
        self.registry = CollectorRegistry()
        self.look = WatchedLook(
            room.ring,
            scanner=room.engines,
            spool=room.spool,
            stop=self._stop,
            definitions=lambda: self.definitions,
            is_idle=lambda: self.is_idle,
            clock=clock,
            registry=self.registry,
        )

    async def _stop(self, message: MessageId, reason: str) -> None:
        self.stopped.append((message, reason))

    async def deliver(self, body: bytes = RISKY) -> MessageId:
        message = await accept(self.room.spool, body=body)
        await self.room.judging.judge(message)
        self.room.engines.seen.clear()
        return message

    async def after(self, seconds: float) -> list[MessageId]:
        """Return what was scanned in a time, all of it that could be."""
        self.room.engines.seen.clear()
        ends_s = self.clock.monotonic_s() + seconds
        while self.clock.monotonic_s() < ends_s:
            await self.clock.advance(0.5)
            await until(lambda: not self.look.is_busy, "done with a message")
            await self.clock.settle()
        return [message for message, _ in self.room.engines.seen]


@pytest.fixture
async def looking(spool: Spool, clock: FakeClock) -> AsyncIterator[Looking]:
    room = JudgingRoom(spool, clock, kept_bytes_max=1 << 20)
    await room.prefer(route("acme.example"))
    made = Looking(room, clock)
    run = asyncio.create_task(made.look.run())
    await until(lambda: clock.sleepers > 0, "it has opened the ring")
    yield made
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_new_definitions_look_at_what_was_delivered_the_newest_first(
    looking: Looking,
) -> None:
    await looking.after(SOON_S)
    first, second = await looking.deliver(), await looking.deliver()
    assert await looking.after(SOON_S) == [], "nothing new is known"

    looking.definitions = {"yara": "2"}

    assert await looking.after(SOON_S) == [second, first]
    assert await looking.after(SOON_S) == []
    assert looking.room.records(Event.CONDEMNED, first) == []


async def test_what_is_found_is_told_once_and_what_has_not_left_is_stopped(
    looking: Looking,
) -> None:
    message = await looking.deliver()
    looking.room.engines.verdicts = (INFECTED,)

    await looking.after(SOON_S)

    assert looking.room.records(Event.CONDEMNED, message) == [
        {
            "engine": "yara",
            "threat": "Eicar-Test",
            "definitions": "",
            "digests": [sha256(WINDOWS_PROGRAM).hexdigest()],
            "late": True,
        }
    ]
    assert looking.stopped == [(message, "a second look: yara names Eicar-Test")]
    assert looking.registry.get_sample_value("borderscout_second_look_condemned_total") == 1
    looking.definitions = {"yara": "2"}
    assert await looking.after(SOON_S) == [], "its octets are gone"


async def test_mail_without_risky_parts_is_not_kept(looking: Looking) -> None:
    await looking.deliver(SMALL)

    assert looking.room.ring.kept_bytes == 0


async def test_mail_that_is_to_be_judged_goes_first(looking: Looking) -> None:
    await looking.deliver()
    looking.is_idle = False

    assert await looking.after(SOON_S) == []
    looking.is_idle = True
    assert len(await looking.after(5.0)) == 1


async def test_engines_that_do_not_answer_are_asked_again_and_condemn_nothing(
    looking: Looking,
) -> None:
    message = await looking.deliver()
    looking.room.engines.verdicts = (SILENT,)
    assert await looking.after(SOON_S) == [message]
    looking.definitions = {}
    assert await looking.after(SOON_S) == [], "nobody answers"

    looking.definitions, looking.room.engines.verdicts = {"yara": "1"}, (CLEAN,)

    assert await looking.after(SOON_S) == [message]
    assert looking.room.records(Event.CONDEMNED, message) == []


async def test_an_engine_that_does_not_tell_its_definitions_is_asked_each_hour(
    looking: Looking,
) -> None:
    looking.definitions = {"yara": ""}
    message = await looking.deliver()
    assert await looking.after(SOON_S) == [message]
    assert await looking.after(SOON_S) == []
    await looking.clock.advance(BLIND_S - 4 * SOON_S)

    assert await looking.after(4 * SOON_S) == [message]


async def test_a_threat_that_is_none_condemns_nothing(looking: Looking) -> None:
    message = await looking.deliver()
    spared = document(
        Kind.THREAT, "*/Eicar-Test", action="ignore", reason="ours", until_us=2_000_000_000_000_000
    )
    await looking.room.prefer(route("acme.example"), spared, revision=2)
    looking.room.engines.verdicts = (INFECTED,)

    await looking.after(SOON_S)

    assert looking.room.records(Event.CONDEMNED, message) == []


async def test_marked_mail_is_looked_at_as_well(looking: Looking) -> None:
    looking.room.engines.verdicts = (Verdict(by="yara", outcome=Outcome.MACRO, threats=("M",)),)

    await looking.deliver()

    assert looking.room.ring.kept_bytes == len(RISKY)


async def test_it_keeps_what_lies_in_a_file(looking: Looking) -> None:
    large = RISKY + b"0123456789abcde\r\n" * 10_000
    message = await looking.deliver(large)
    await until(lambda: looking.room.ring.kept_bytes == len(large), "kept")

    assert await looking.after(SOON_S) == [message]


async def test_a_set_that_no_version_tells_of_is_a_reason_to_look_even_in_the_middle_of_a_look(
    looking: Looking,
) -> None:
    message = await looking.deliver()
    assert await looking.after(SOON_S) == [message]
    looking.is_idle = False
    looking.look.definitions_changed()
    await looking.after(SOON_S)  # it is at it, and waits

    looking.look.definitions_changed()
    looking.is_idle = True

    assert await looking.after(2 * SOON_S) == [message, message]
    assert await looking.after(SOON_S) == []


async def test_a_look_goes_on_later_where_the_engine_that_knows_more_went_away(
    looking: Looking,
) -> None:
    """Our own rules always answer: that is no look with the definitions that are new."""
    first, second = await looking.deliver(), await looking.deliver()
    await looking.after(SOON_S)
    gone = Verdict(by="av", outcome=Outcome.UNAVAILABLE)
    looking.room.engines.verdicts = (CLEAN, gone)
    looking.definitions = {"yara": "1", "av": "2"}

    assert await looking.after(LOOK_S + 1.0) == [second]
    looking.room.engines.verdicts = (CLEAN, Verdict(by="av", outcome=Outcome.CLEAN))

    assert await looking.after(SOON_S) == [second, first]
    looking.room.engines.verdicts = (CLEAN, gone)
    assert await looking.after(SOON_S) == [], "done"


async def test_what_a_look_has_seen_is_not_looked_at_again_when_it_goes_on(
    looking: Looking,
) -> None:
    first, second = await looking.deliver(), await looking.deliver()
    looking.look.gone_at = first
    assert await looking.after(LOOK_S + 1.0) == [second, first]

    looking.look.gone_at = None

    assert await looking.after(2 * SOON_S) == [first]


async def test_mail_that_engines_saw_before_a_look_and_that_came_in_during_it_is_looked_at(
    looking: Looking,
) -> None:
    """It was judged by the definitions before, and would else wait for those after the next."""
    first = await looking.deliver()
    waiting = asyncio.Event()
    looking.room.engines.meanwhile = waiting.wait
    late = await accept(looking.room.spool, body=RISKY)
    judging = asyncio.create_task(looking.room.judging.judge(late))
    await until(lambda: late in [one for one, _ in looking.room.engines.seen], "it is scanned")
    looking.room.engines.meanwhile = None
    await looking.clock.advance(1.0)

    assert await looking.after(SOON_S) == [first]
    waiting.set()
    await judging
    new = await looking.deliver()

    assert await looking.after(2 * SOON_S) == [late], "and not what came after the look began"
    assert new != late
    assert await looking.after(2 * SOON_S) == []
