"""A worker that ends is started again, one that has retired is not, and all stop in time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from common.errors import SettingsError
from common.settings.satellite import SatelliteSettings
from satellite.node.parent import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    RENEWED,
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
    hostname: str


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
    """Return a state folder that makes ``fake_worker`` behave so."""
    (folder / "behaviour.json").write_text(json.dumps(what))
    return folder


def worker(
    state: Path,
    *,
    clock: FakeClock,
    command: Sequence[str] = FAKE_WORKER,
    sockets: Sequence[socket.socket] = (),
    retiring: bool = False,
) -> Worker:
    return Worker(
        0,
        settings=settings(state=str(state)),
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
    assert (made.starts, made.failures) == (8, 8)


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


async def test_a_spool_that_is_to_be_renewed_has_its_next_process_at_once(tmp_path: Path) -> None:
    clock = FakeClock()  # which stands still: a pause would never end
    made = worker(behaviour(tmp_path, exit=RENEWED), clock=clock)
    run = asyncio.create_task(made.run())

    await until(lambda: made.starts >= 2, "it is started again")
    made.stop()

    await end(run)
    assert made.failures == 0


async def test_a_shard_that_has_retired_is_not_asked_any_more(tmp_path: Path) -> None:
    node = node_of(behaviour(tmp_path, exit=RETIRED), workers=1)

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


def node_of(
    state: Path,
    *,
    workers: int = 2,
    read_settings: Callable[[], SatelliteSettings] = settings,
    clock: FakeClock | None = None,
    **more: Any,
) -> Workers:
    return Workers(
        settings(state=str(state), workers=workers),
        read_settings=read_settings,
        sockets=[],
        clock=clock or FakeClock(),
        start=spawning(FAKE_WORKER),
        **more,
    )


async def test_sigterm_ends_all_workers_and_starts_none_again(tmp_path: Path) -> None:
    node = node_of(behaviour(tmp_path))
    async with running(node) as run:
        pids = [(await answer_of(one)).pid for one in node.all]

        os.kill(os.getpid(), signal.SIGTERM)

        await end(run)
    assert [one.starts for one in node.all] == [1, 1]
    assert not any(is_alive(pid) for pid in pids)


async def test_workers_hand_over_to_a_next_parent_and_sigterm_is_remembered(tmp_path: Path) -> None:
    for is_told_to_stop in (False, True):
        node = node_of(behaviour(tmp_path))
        async with running(node) as run:
            pids = [(await answer_of(one)).pid for one in node.all]

            node.hand_over()
            if is_told_to_stop:
                os.kill(os.getpid(), signal.SIGTERM)

            await end(run)
        assert node.was_told_to_stop is is_told_to_stop
        assert [one.starts for one in node.all] == [1, 1]
        assert not any(is_alive(pid) for pid in pids)


async def test_a_worker_that_is_deaf_to_sigterm_is_killed_at_the_deadline(tmp_path: Path) -> None:
    node = node_of(behaviour(tmp_path, ignores_sigterm=True), stop_s=0.05)
    async with running(node) as run:
        pids = [(await answer_of(one)).pid for one in node.all]

        os.kill(os.getpid(), signal.SIGTERM)

        await end(run)
    assert not any(is_alive(pid) for pid in pids)


async def test_a_killed_worker_is_replaced_and_its_neighbour_does_not_notice(
    tmp_path: Path,
) -> None:
    node = node_of(behaviour(tmp_path))
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


def hurried() -> CountedPauses:
    """Return a clock whose pauses take no time."""
    return CountedPauses(lambda _: None)


async def answers_of(node: Workers, name: str) -> list[Any]:
    return [getattr(await answer_of(one), name) for one in node.all]


async def test_sighup_replaces_the_workers_and_the_fresh_settings_are_in_force(
    tmp_path: Path,
) -> None:
    fresh = settings(state=str(tmp_path), workers=2, hostname="fresh.mx.example")
    node = node_of(behaviour(tmp_path), read_settings=lambda: fresh, clock=hurried())
    async with running(node):
        before = await answers_of(node, "pid")
        with capture_logs() as said:
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: _says(said, "node.reloaded"), "it is done")

        assert await answers_of(node, "hostname") == ["fresh.mx.example"] * 2
        assert not any(is_alive(pid) for pid in before)
        assert [(one.starts, one.failures) for one in node.all] == [(2, 0), (2, 0)]
        assert _facts(said, "node.reloaded")["restart_needed"] == ()


async def test_workers_are_replaced_one_after_another(tmp_path: Path) -> None:
    node = node_of(behaviour(tmp_path), read_settings=lambda: fresh, clock=hurried())
    fresh = settings(state=str(tmp_path), workers=2, hostname="fresh.mx.example")
    async with running(node):
        await answers_of(node, "pid")

        with capture_logs() as said:
            await node.reload()

    started = [line["shard"] for line in said if line["event"] == "worker.started"]
    assert started == [0, 1]
    assert "worker.ended" not in [line["event"] for line in said]


async def test_what_the_parent_alone_uses_waits_for_a_restart_and_is_named(tmp_path: Path) -> None:
    fresh = settings(state=str(tmp_path), workers=5, metrics="127.0.0.1:4", hostname="b.example")
    node = node_of(behaviour(tmp_path), read_settings=lambda: fresh, clock=hurried())
    async with running(node):
        await answers_of(node, "pid")
        with capture_logs() as said:
            await node.reload()

        assert await answers_of(node, "hostname") == ["b.example"] * 2
    assert _facts(said, "node.reloaded")["restart_needed"] == ("workers", "metrics")


async def test_settings_that_are_wrong_change_nothing_and_every_complaint_is_told(
    tmp_path: Path,
) -> None:
    complaints = ["a:1:1: unknown key 'x'; remove it", "a:2:1: missing key 'node'; add it"]

    def wrong() -> SatelliteSettings:
        raise SettingsError(complaints)

    node = node_of(behaviour(tmp_path), read_settings=wrong, clock=hurried())
    async with running(node):
        before = await answers_of(node, "pid")
        with capture_logs() as said:
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: _says(said, "node.settings_wrong"), "it is told")

        assert await answers_of(node, "pid") == before
        assert _facts(said, "node.settings_wrong")["complaints"] == complaints
        os.kill(before[0], signal.SIGKILL)
        await until(partial(_has_starts, node.all[0], 2), "it is started again")
        assert await answers_of(node, "hostname") == ["mx1.scout.example"] * 2


async def test_settings_with_which_no_worker_starts_are_taken_back(tmp_path: Path) -> None:
    fresh = settings(state=str(tmp_path), workers=2, hostname="bad.example")
    behaviour(tmp_path, exits_as="bad.example")
    node = node_of(tmp_path, read_settings=lambda: fresh, clock=hurried())
    async with running(node):
        _, other = await answers_of(node, "pid")
        with capture_logs() as said:
            await node.reload()

        assert await answers_of(node, "hostname") == ["mx1.scout.example"] * 2
        assert (await answers_of(node, "pid"))[1] == other  # never touched
    assert _facts(said, "node.reload_failed")["shard"] == 0


async def test_a_worker_that_is_deaf_is_killed_when_it_is_replaced(tmp_path: Path) -> None:
    fresh = settings(state=str(tmp_path), workers=1, hostname="fresh.mx.example")
    clock = FakeClock()
    node = node_of(
        behaviour(tmp_path, ignores_sigterm=True),
        workers=1,
        read_settings=lambda: fresh,
        clock=clock,
        stop_s=5.0,
    )
    async with running(node):
        [before] = await answers_of(node, "pid")
        reload = asyncio.create_task(node.reload())

        async def time_passes() -> bool:
            await clock.advance(1.0)
            return reload.done()

        await until(time_passes, "it is replaced")
        assert await answers_of(node, "hostname") == ["fresh.mx.example"]
        assert not is_alive(before)


def _says(said: Sequence[Mapping[str, Any]], event: str) -> bool:
    return any(line["event"] == event for line in said)


def _facts(said: Sequence[Mapping[str, Any]], event: str) -> Mapping[str, Any]:
    [found] = [line for line in said if line["event"] == event]
    return found


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

    node = node_of(tmp_path, workers=2)

    assert [(one.shard, one.retiring) for one in node.all] == [(0, False), (1, False), (3, True)]
