"""A worker that hangs is told from one that starts, has ended, or waits for somebody outside."""

from __future__ import annotations

import asyncio
from pathlib import Path

from common.supervisor import ALIVE, READY, STOPPING, ServiceCondition, Supervisor
from satellite.node.health import StatusAnswer
from satellite.node.liveness import OPENING_S_MAX, SILENT_S_MAX, Liveness, WorkerSeen
from satellite.node.question import ErrorAnswer
from satellite.node.service_notices import ServiceNotices
from tests.support.clock import FakeClock
from tests.support.node.shard import AnsweringWorker, settings, status_json, workers_of
from tests.support.node.supervisor import telling_socket

NOTHING = ErrorAnswer(error="the spool is read anew")


def status(*, listening: bool = True, reason: str = "") -> StatusAnswer:
    return StatusAnswer(
        listening=listening,
        not_accepting_reason=reason,
        revision=1,
        states={},
        outbox_records=0,
        outbox_quarantine=0,
        problems=(),
    )


def seen(
    answer: StatusAnswer | ErrorAnswer | None = None,
    *,
    starts: int = 1,
    is_running: bool = True,
    has_failed: bool = False,
    is_retiring: bool = False,
) -> WorkerSeen:
    return WorkerSeen(
        starts=starts,
        is_running=is_running,
        has_failed=has_failed,
        is_retiring=is_retiring,
        answer=answer,
    )


def test_a_node_is_ready_once_every_shard_takes_mail() -> None:
    liveness = Liveness()

    first = liveness.look({0: seen(), 1: seen(status())}, now_s=0.0)
    about_to = liveness.look({0: seen(status(listening=False)), 1: seen(status())}, now_s=1.0)
    both = liveness.look({0: seen(status()), 1: seen(status())}, now_s=2.0)

    assert first == ServiceCondition(
        is_ready=False, is_starting=True, status="1 of 2 shards take mail; shard 0: not running"
    )
    assert (about_to.is_ready, about_to.is_starting) == (False, True)
    assert both == ServiceCondition(is_ready=True, status="2 of 2 shards take mail")


def test_a_node_that_waits_for_its_core_has_started() -> None:
    waiting = status(listening=False, reason="no preferences yet")

    found = Liveness().look({0: seen(waiting)}, now_s=0.0)

    assert found == ServiceCondition(
        is_ready=True, status="0 of 1 shards take mail; shard 0: no preferences yet"
    )


def test_a_shard_that_fails_keeps_nobody_from_being_ready_and_kills_nobody() -> None:
    liveness = Liveness()
    for now_s in (0.0, 1_000.0, 10_000.0):
        failing = seen(starts=int(now_s), is_running=False, has_failed=True)
        found = liveness.look({0: failing, 1: seen(status())}, now_s=now_s)

        assert (found.is_ready, found.is_alive) == (True, True)


def test_a_node_of_which_every_shard_fails_is_not_ready_and_asks_for_no_time() -> None:
    found = Liveness().look({0: seen(is_running=False, has_failed=True)}, now_s=0.0)

    assert (found.is_ready, found.is_starting, found.is_alive) == (False, False, True)


def test_who_answered_and_is_silent_hangs() -> None:
    liveness = Liveness()
    liveness.look({0: seen(status()), 1: seen(status())}, now_s=0.0)

    still = liveness.look({0: seen(), 1: seen(status())}, now_s=SILENT_S_MAX)
    found = liveness.look({0: seen(), 1: seen(status())}, now_s=SILENT_S_MAX + 1)
    again = liveness.look({0: seen(NOTHING), 1: seen(status())}, now_s=SILENT_S_MAX + 2)

    assert still.is_alive
    assert (found.is_alive, found.status) == (False, "shard 0 hangs")
    assert again.is_alive


def test_a_process_that_opens_a_large_spool_does_not_hang() -> None:
    liveness = Liveness()
    liveness.look({0: seen(status())}, now_s=0.0)
    liveness.look({0: seen(is_running=False)}, now_s=1.0)

    opening = [
        liveness.look({0: seen(starts=2)}, now_s=now_s) for now_s in (2.0, OPENING_S_MAX + 1.0)
    ]
    found = liveness.look({0: seen(starts=2)}, now_s=OPENING_S_MAX + 3.0)

    assert [one.is_alive for one in opening] == [True, True]
    assert not found.is_alive


def test_a_shard_that_is_one_too_many_is_waited_for_by_nobody() -> None:
    found = Liveness().look({0: seen(status()), 1: seen(is_retiring=True)}, now_s=0.0)

    assert found == ServiceCondition(is_ready=True, status="1 of 1 shards take mail")


async def test_the_parent_tells_how_its_workers_are_and_when_it_ends(tmp_path: Path) -> None:
    clock = FakeClock()
    worker = AnsweringWorker(0, {"status": status_json()})
    worker.running_with = settings()
    worker.starts = 1
    workers = workers_of(worker)
    with telling_socket(tmp_path) as heard:
        manager = Supervisor(address=str(heard.path), watchdog_s=90.0)
        notices = ServiceNotices(workers, manager=manager, clock=clock)
        tasks = [asyncio.create_task(notices.run()), asyncio.create_task(notices.say_end())]
        await clock.advance(0.5)
        assert heard.next() == ["STATUS=1 of 1 shards take mail", ALIVE, READY]

        worker.answers["status"] = None
        await clock.advance(80.0)
        told = [heard.next() for _ in range(8)]
        assert [ALIVE in lines for lines in told] == [True] * 6 + [False] * 2

        workers.was_told_to_stop = True
        workers.ending.set()
        await clock.advance(0.5)
        assert heard.next() == [STOPPING]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_node_that_begins_anew_does_not_say_that_it_stops(tmp_path: Path) -> None:
    workers = workers_of(AnsweringWorker(0, {}))
    with telling_socket(tmp_path) as heard:
        manager = Supervisor(address=str(heard.path))
        workers.hand_over()
        await ServiceNotices(workers, manager=manager, clock=FakeClock()).say_end()

        assert heard.is_silent()
