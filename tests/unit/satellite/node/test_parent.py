"""A worker that ends is started again, one that has retired is not, and all stop in time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from satellite.node.parent import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    RETIRED,
    STEADY_S,
    Worker,
    Workers,
    shard_folder,
    shards_on_disk,
)
from tests.support.clock import FakeClock
from tests.support.node.family import is_alive
from tests.support.node.shard import DEADLINE_S, open_descriptors, settings, until
from tests.support.node.spawning import spawning

FAKE_WORKER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("fake_worker.py")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What ``fake_worker`` was started with."""

    shard: int
    pid: int
    listens: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """What ``fake_worker`` answers."""

    word: ClassVar = "ping"
    answer: ClassVar = Started


PING = Ping()


class CountedPauses(FakeClock):
    """A clock whose sleeps take no time and are written down; ``after`` is told of each."""

    def __init__(self, after: Callable[[int], None]) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._after = after

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._after(len(self.pauses))
        await asyncio.sleep(0)


def behaviour(folder: Path, **what: Any) -> Path:
    """Return a settings file that makes ``fake_worker`` behave so."""
    path = folder / "behaviour.json"
    path.write_text(json.dumps(what))
    return path


def worker(
    config: Path,
    *,
    clock: FakeClock,
    command: Sequence[str] = FAKE_WORKER,
    sockets: Sequence[socket.socket] = (),
    retiring: bool = False,
) -> Worker:
    return Worker(
        0,
        config=config,
        clock=clock,
        start=spawning(command),
        sockets=sockets,
        retiring=retiring,
    )


async def answer_of(one: Worker) -> Started:
    """Return the first answer that a worker gives."""
    found: list[Started] = []

    async def look() -> bool:
        answer = await one.ask(PING)
        found.extend([answer] if isinstance(answer, Started) else [])
        return bool(found)

    await until(look, "the worker answers")
    return found[0]


async def end(run: asyncio.Task[None]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await run


async def test_a_worker_that_dies_is_started_again_after_a_growing_pause(tmp_path: Path) -> None:
    clock = CountedPauses(lambda count: made.stop() if count == 8 else None)
    made = worker(behaviour(tmp_path, exit=1), clock=clock)

    await end(asyncio.create_task(made.run()))

    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert clock.pauses[0] == FIRST_PAUSE_S
    assert clock.pauses[-1] == LONGEST_PAUSE_S
    assert made.starts == 8


async def test_a_worker_that_ran_for_long_has_the_first_pause_again(tmp_path: Path) -> None:
    def change(count: int) -> None:
        if count == 3:  # from the fourth start on it runs until it is asked
            behaviour(tmp_path, exit_when_asked=1)
        if count == 5:
            made.stop()

    clock = CountedPauses(change)
    made = worker(behaviour(tmp_path, exit=1), clock=clock)
    run = asyncio.create_task(made.run())

    for start, seconds in ((4, STEADY_S + 1), (5, STEADY_S - 1)):
        await until(partial(_has_starts, made, start), "it runs")
        await clock.advance(seconds)
        await until(partial(_paused_when_asked, made, clock, start), "it has ended")
    await end(run)

    assert clock.pauses == [0.2, 0.4, 0.8, 0.2, 0.4]


def _has_starts(made: Worker, count: int) -> bool:
    return made.starts == count


async def _paused_when_asked(made: Worker, clock: CountedPauses, count: int) -> bool:
    if len(clock.pauses) < count:
        await made.ask(PING)
    return len(clock.pauses) >= count


async def test_a_worker_that_cannot_even_be_started_is_tried_again(tmp_path: Path) -> None:
    clock = CountedPauses(lambda count: made.stop() if count == 2 else None)
    before = open_descriptors()
    made = worker(tmp_path, clock=clock, command=(str(tmp_path / "no-such-program"),))

    await end(asyncio.create_task(made.run()))

    assert clock.pauses == [0.2, 0.4]
    assert open_descriptors() == before


async def test_a_shard_that_has_retired_is_not_started_again(tmp_path: Path) -> None:
    clock = CountedPauses(lambda _: None)
    made = worker(behaviour(tmp_path, exit=RETIRED), clock=clock, retiring=True)

    await end(asyncio.create_task(made.run()))

    assert made.starts == 1
    assert clock.pauses == []
    assert await made.ask(PING) is None


async def test_a_shard_that_has_retired_is_not_asked_any_more(tmp_path: Path) -> None:
    node = node_of(tmp_path, behaviour(tmp_path, exit=RETIRED), workers=1)

    await end(asyncio.create_task(node.all[0].run()))

    assert await node.ask_each(PING) == {}


async def test_a_worker_told_to_stop_between_two_starts_ends_at_once(tmp_path: Path) -> None:
    clock = FakeClock()  # which stands still: the pause would never end
    made = worker(behaviour(tmp_path, exit=1), clock=clock)
    run = asyncio.create_task(made.run())
    await until(lambda: clock.sleepers == 1, "it pauses")

    made.stop()

    await end(run)
    assert made.starts == 1


async def test_a_worker_gets_its_shard_and_the_very_sockets(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        for retiring, ports in ((False, [one.getsockname()[1]]), (True, [])):
            made = worker(behaviour(tmp_path), clock=FakeClock(), sockets=[one], retiring=retiring)
            run = asyncio.create_task(made.run())

            answer = await answer_of(made)

            assert answer.shard == 0
            assert list(answer.listens) == ports
            made.stop()
            await end(run)
            assert not is_alive(answer.pid)


async def test_a_worker_that_talks_nonsense_has_no_answer_and_is_replaced(tmp_path: Path) -> None:
    clock = CountedPauses(lambda _: None)
    made = worker(behaviour(tmp_path, says="no json"), clock=clock)
    run = asyncio.create_task(made.run())

    async def look() -> bool:
        assert await made.ask(PING) is None
        return made.starts > 1  # its channel was closed, and so it ended

    await until(look, "it is replaced")
    made.stop()
    await end(run)


async def test_a_worker_told_to_stop_while_it_comes_into_being_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = worker(behaviour(tmp_path), clock=FakeClock())
    create = asyncio.create_subprocess_exec

    async def stopped_meanwhile(*command: str, **how: Any) -> asyncio.subprocess.Process:
        process = await create(*command, **how)
        made.stop()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", stopped_meanwhile)

    await end(asyncio.create_task(made.run()))

    assert made.starts == 1


@asynccontextmanager
async def running(node: Workers) -> AsyncIterator[asyncio.Task[None]]:
    run = asyncio.create_task(node.run())
    try:
        yield run
    finally:
        for one in node.all:
            one.stop()
            one.kill()
        if not run.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await end(run)


def node_of(tmp_path: Path, config: Path, *, workers: int = 2, **more: Any) -> Workers:
    return Workers(
        settings(state=str(tmp_path), workers=workers),
        config=config,
        sockets=[],
        clock=FakeClock(),
        start=spawning(FAKE_WORKER),
        **more,
    )


async def test_sigterm_ends_all_workers_and_starts_none_again(tmp_path: Path) -> None:
    node = node_of(tmp_path, behaviour(tmp_path))
    async with running(node) as run:
        pids = [(await answer_of(one)).pid for one in node.all]

        os.kill(os.getpid(), signal.SIGTERM)

        await end(run)
    assert [one.starts for one in node.all] == [1, 1]
    assert not any(is_alive(pid) for pid in pids)


async def test_a_worker_that_is_deaf_to_sigterm_is_killed_at_the_deadline(tmp_path: Path) -> None:
    node = node_of(tmp_path, behaviour(tmp_path, ignores_sigterm=True), stop_s=0.05)
    async with running(node) as run:
        pids = [(await answer_of(one)).pid for one in node.all]

        os.kill(os.getpid(), signal.SIGTERM)

        await end(run)
    assert not any(is_alive(pid) for pid in pids)


async def test_a_killed_worker_is_replaced_and_its_neighbour_does_not_notice(
    tmp_path: Path,
) -> None:
    node = node_of(tmp_path, behaviour(tmp_path))
    clock = node.all[0]._clock
    assert isinstance(clock, FakeClock)
    async with running(node):
        before = {one.shard: (await answer_of(one)).pid for one in node.all}

        os.kill(before[1], signal.SIGKILL)

        await until(lambda: clock.sleepers == 1, "the pause before the next start")
        answers = await node.ask_each(PING)
        assert answers[1] is None
        assert answers[0] is not None
        await clock.advance(FIRST_PAUSE_S)
        after = {one.shard: (await answer_of(one)).pid for one in node.all}
        assert after[0] == before[0]
        assert after[1] != before[1]


def test_the_shards_on_disk_are_those_that_have_a_spool(tmp_path: Path) -> None:
    for name in (
        "shard-0",
        "shard-7",
        "shard-12",
        "shard-x",
        "shard-",
        "shard-a1",
        "shard-1.old",
        "x-3",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spool.db").touch()
    (tmp_path / "shard-5").mkdir()

    assert shards_on_disk(tmp_path) == {0, 7, 12}
    assert shards_on_disk(tmp_path / "none") == set()
    assert shard_folder(tmp_path, 7) == tmp_path / "shard-7"


def test_a_shard_beyond_the_settings_retires_and_one_without_a_spool_is_made(
    tmp_path: Path,
) -> None:
    (tmp_path / "shard-3").mkdir()
    (tmp_path / "shard-3" / "spool.db").touch()

    node = node_of(tmp_path, tmp_path, workers=2)

    assert [(one.shard, one.retiring) for one in node.all] == [(0, False), (1, False), (3, True)]
