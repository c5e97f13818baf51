"""Very much mail is held for very many destinations: every question is answered in short steps.

What is counted here is work, at a fiftieth of the size that is promised; `tests/storms` has a
million messages.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.loop_lag import LoopLag
from common.pacing import GC_THRESHOLDS
from common.states import State
from satellite.console.questions import LEFT_LINES_MAX
from satellite.console.shard_console import ShardConsole
from satellite.delivery.placing import RESTORED_ROWS
from satellite.delivery.queue.lane import Lane
from satellite.delivery.worker import Delivery
from satellite.link.status import LinkStatus
from satellite.node.told_settings import ToldSettings
from satellite.spool.disk.rows import Select
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import TableResolver, settings
from tests.support.loop_steps import loop_steps
from tests.support.node.shard import LIVE
from tests.support.spool.much_mail import domain, fill_much

MESSAGES, DESTINATIONS = 20_000, 2_000
OBJECTS_MAX = 25_000  # what 5 000 messages leave, and what else is young
STEP_S = 0.2  # promised are 50 ms at a million; here it only says that nothing went wild


class MuchHeld:
    """A shard with much held mail, and its console."""

    def __init__(self, spool: Spool, clock: FakeClock) -> None:
        self.settings_told = ToldSettings("lon1", shard=0, preferences=lambda: spool.preferences)
        self.spool = spool
        self.clock: Clock = clock
        self.registry = CollectorRegistry()
        self.loop_lag = LoopLag(clock)
        self.delivery = Delivery(
            spool, settings(), clock, resolver=TableResolver(), registry=self.registry
        )
        self.listening = True
        self.not_accepting_reason = ""
        self.looks: list[tuple[str, int]] = []  # in the event loop: what was asked, how many rows
        select = spool._select

        def counted(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
            found = select(sql, values)
            self.looks.append((sql, len(found)))
            return found

        spool._select = counted

    def link_status(self) -> LinkStatus:
        return LIVE

    def problems(self) -> tuple[str, ...]:
        return ()

    async def pause(self, on: bool) -> None:
        assert not on

    async def empty(self, on: bool) -> None:
        raise AssertionError("nobody asked for that")

    async def renew(self) -> None:
        raise AssertionError("nobody asked for that")

    async def restored(self) -> int:
        """Return how many objects a garbage collection had to look at, at most."""
        objects_max = 0
        while self.delivery._placing.has_more:
            await asyncio.sleep(0)
            objects_max = max(objects_max, sum(len(gc.get_objects(young)) for young in (0, 1)))
        return objects_max

    async def probed(self) -> None:
        """Return when every destination was asked whether it is back, and none is asked soon."""
        now_s = self.clock.monotonic_s()
        lanes = self.delivery._lanes._lanes.values()
        while any((lane.next_probe_s() or 0.0) <= now_s for lane in lanes):
            await asyncio.sleep(0)

    async def ask(self, word: str, **more: object) -> dict[str, Any]:
        answer = await ShardConsole(self).answer({"ask": word, **more})
        assert "error" not in answer
        return answer


@pytest.fixture
async def much(tmp_path: Path) -> AsyncIterator[MuchHeld]:
    clock = FakeClock()
    fill_much(tmp_path / "s", messages=MESSAGES, destinations=DESTINATIONS, now_us=clock.now_us())
    async with loop_steps() as steps:
        spool = await Spool.open(tmp_path / "s", node="lon1", shard=0, clock=clock)
    assert steps.longest_s < STEP_S, f"opening: {steps.longest_was}"
    shard = MuchHeld(spool, clock)
    run = asyncio.create_task(shard.delivery.run())
    yield shard
    await shard.delivery.close()
    await asyncio.wait({run})
    await spool.close()


async def test_what_was_held_comes_back_in_parts(
    much: MuchHeld,
) -> None:
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        async with loop_steps() as steps:
            objects_max = await much.restored()
    finally:
        gc.set_threshold(*before)

    assert objects_max < OBJECTS_MAX, "a collection had all of them to look at, in one step"
    assert steps.longest_s < STEP_S, steps.longest_was
    assert max(rows for _, rows in much.looks) <= RESTORED_ROWS
    answer = await much.ask("metrics")
    assert f"borderscout_delivery_held_messages {float(MESSAGES)}" in answer["text"]


async def test_what_is_left_is_told_in_pages_and_as_a_sum(much: MuchHeld) -> None:
    lines: list[dict[str, Any]] = []
    after: str | None = ""
    async with loop_steps() as steps:
        total = await much.ask("left", lines=0)
        while after is not None:
            page = await much.ask("left", after={"0": after})
            lines += page["left"]
            after = page.get("after")

    assert total["states"] == {"held": MESSAGES}
    assert not total["left"]
    assert [line["domain"] for line in lines] == [domain(n) for n in range(DESTINATIONS)]
    assert {line["recipients"] for line in lines} == {MESSAGES // DESTINATIONS}
    assert len(page["left"]) <= LEFT_LINES_MAX
    assert steps.longest_s < STEP_S, steps.longest_was
    in_the_loop = [sql for sql, _ in much.looks if "GROUP BY" in sql]
    assert in_the_loop == [], "many rows were looked at in the event loop"


async def test_what_a_thread_reads_comes_in_one_row(
    much: MuchHeld, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    reader = much.spool._reader
    apart = reader.apart

    async def counted(question: Callable[[Select], Any]) -> Any:
        def asked(select: Select) -> Any:
            def rows(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
                found = select(sql, values)
                counts.append(len(found))
                return found

            return question(rows)

        return await apart(asked)

    monkeypatch.setattr(reader, "apart", counted)

    await much.ask("left")
    await much.ask("list", destination=domain(5))

    assert counts, "nothing was read in a thread"
    assert set(counts) == {1}, "for each row a thread waits for its turn of Python"


async def test_mail_of_one_destination_is_found_and_frozen_without_a_look_at_the_others(
    much: MuchHeld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await much.restored()
    await much.probed()  # a probe looks at a message, too
    looks: Counter[str] = Counter()
    withdraw = Lane.withdraw

    def counted(lane: Lane, *arguments: Any) -> bool:
        looks["withdraw"] += 1
        return withdraw(lane, *arguments)

    monkeypatch.setattr(Lane, "withdraw", counted)
    each = MESSAGES // DESTINATIONS
    much.looks.clear()

    async with loop_steps() as steps:
        listed = await much.ask("list", destination=domain(1234))
        frozen = await much.ask("freeze", destination=domain(1234))

    assert [len(listed["messages"]), listed.get("after")] == [each, None]
    assert frozen == {"done": True, "moved": each}
    assert much.spool.counts()[State.FROZEN] == each
    assert looks["withdraw"] == each
    assert len(much.looks) < 20 * each, "others were looked at"
    assert steps.longest_s < STEP_S, steps.longest_was
    assert await much.ask("resume", destination=domain(1234)) == frozen
