"""How does a worker's process run its shard, from the fork to its exit status?

Touches the process: signals, the channel to its parent, its end. Forked for the parent, never run
by hand.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
import uvloop

from common.clock import SystemClock
from common.errors import BorderScoutError
from common.hang_up import ignore_hang_up
from common.kinds import Group, load_kinds
from common.loop_lag import LoopLag
from common.pacing import settle_memory
from common.records import StartedRecord
from common.settings.satellite import SatelliteSettings
from common.telemetry import configure_logging
from satellite.app.shard import Shard
from satellite.console.shard_console import ShardConsole
from satellite.filtering.catalogue import BUILT_IN
from satellite.node.channel import LINE_BYTES_MAX, answer_lines
from satellite.node.launch import be_named
from satellite.node.parent import HAND_OVER, RENEWED, RETIRED, shard_folder
from satellite.node.settings_in_force import borrowed
from satellite.node.sockets import inherited
from satellite.overload.descriptors import raise_limit, within
from satellite.spool.store import Spool

log = structlog.get_logger()

NAME = "worker-"  # and the shard's number
FAILED = 1
RETIRE_LOOK_S = 1.0


async def _work(
    settings: SatelliteSettings, number: int, channel: socket.socket, sockets: list[socket.socket]
) -> int:
    """Run one shard until something ends it, and return the process's exit status."""
    stop, broken, hand_over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    renewal = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(HAND_OVER, hand_over.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # the parent tells us
    clock = SystemClock()
    loop_lag = LoopLag(clock)
    async with AsyncExitStack() as stack:
        loop_lag.start()
        stack.callback(loop_lag.stop)
        spool = await Spool.open(
            shard_folder(Path(settings.state), number),
            node=settings.node,
            shard=number,
            clock=clock,
            reserve_bytes=settings.disk_reserve_bytes,
        )
        stack.push_async_callback(spool.close)
        shard = Shard(
            spool,
            settings,
            sockets=sockets,
            on_broken=broken.set,
            on_renewal=renewal.set,
            loop_lag=loop_lag,
        )
        stack.push_async_callback(shard.close)
        await spool.note(_started(spool))
        reader, writer = await asyncio.open_connection(sock=channel, limit=LINE_BYTES_MAX)
        settle_memory()
        running = asyncio.create_task(shard.run(), name="shard")
        ends: dict[asyncio.Task[Any], int] = {
            running: FAILED,
            _task(answer_lines(reader, writer, ShardConsole(shard).answer), "console"): FAILED,
            _task(stop.wait(), "told to stop"): 0,
            _task(hand_over.wait(), "told to hand over"): 0,
            _task(renewal.wait(), "told to renew"): RENEWED,
            # A spool that must not be trusted: the next process reads what the disk really has.
            _task(broken.wait(), "broken spool"): FAILED,
        }
        if number >= settings.workers:
            ends[_task(_emptied(shard), "retiring")] = RETIRED
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        _say_why(done)
        status = min(ends[task] for task in done)
        if not running.done() and not broken.is_set():
            stays = hand_over.is_set() or renewal.is_set()
            await shard.drain(turns_away=not stays)
            if status != RETIRED:  # who retires has said it before, while there was a link
                await shard.say_stopped()
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        return status


def _say_why(done: Iterable[asyncio.Task[Any]]) -> None:
    """Log what ended a task that should have gone on."""
    for task in done:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("worker.task_failed", task=task.get_name(), exc_info=error)


def _task(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    return asyncio.create_task(work, name=name)


def _started(spool: Spool) -> StartedRecord:
    return StartedRecord(
        version=version("border-scout"),
        incarnation=spool.life.incarnation,
        found={state.value: count for state, count in spool.backlog.found.items()},
    )


async def _emptied(shard: Shard) -> None:
    """Return when a shard that is one too many has nothing left, and the core knows it."""
    await _nothing_left(shard)
    await shard.say_stopped()
    await _nothing_left(shard)


async def _nothing_left(shard: Shard) -> None:
    while any(shard.spool.counts().values()) or any(shard.spool.backlog_sizes()):
        await shard.clock.sleep(RETIRE_LOOK_S)


def main(arguments: list[str]) -> int:
    """Run a worker: SHARD SETTINGS_FD CHANNEL_FD [LISTENING_FD …]."""
    number, given, channel, *listening = arguments
    be_named(f"{NAME}{number}")
    ignore_hang_up()  # the parent hears of it too, and decides
    configure_logging(shard=int(number), process="worker")
    sockets = inherited([int(descriptor) for descriptor in listening])
    end = socket.socket(fileno=int(channel))
    try:
        settings = within(borrowed(int(given)), descriptors=raise_limit())
        structlog.contextvars.bind_contextvars(node=settings.node)
        # Now, since in the event loop the first import of an engine would be one long step.
        load_kinds(Group.ENGINES, [engine.kind for engine in settings.engines])
        load_kinds(Group.FILTERS, [*BUILT_IN, *(one.kind for one in settings.filters)])
        return uvloop.run(_work(settings, int(number), end, sockets))
    except BorderScoutError as error:
        log.error("worker.failed", reason=str(error))
        return FAILED
