"""What has a shard's second look to do with its other rooms?

Touches what it connects: the ring, the spool, the delivery room.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.ids import MessageId
from common.reports import EngineReport
from common.settings.satellite import SatelliteSettings
from satellite.delivery.worker import Delivery
from satellite.judging.delivered_ring import DeliveredRing
from satellite.judging.second_look import ScansAgain, SecondLook
from satellite.judging.told_definitions import ToldDefinitions
from satellite.spool.model.states import FREEZABLE
from satellite.spool.store import Spool


def second_look_of(
    spool: Spool,
    scanner: ScansAgain,
    delivery: Delivery,
    *,
    engines: Callable[[], Iterable[EngineReport]],
    is_idle: Callable[[], bool],
    settings: SatelliteSettings,
    clock: Clock,
    registry: CollectorRegistry,
) -> SecondLook:
    """Return the second look at what a shard delivers, as the settings want it.

    Args:
        spool, scanner, delivery: the shard's.
        engines: returns how they were when they were probed last.
        is_idle: whether no mail waits to be judged.
        settings: of the node.
        clock: the time.
        registry: where the metrics go.
    """
    ring = DeliveredRing(
        spool.folder,
        hours=settings.second_look.hours,
        bytes_max=settings.second_look.bytes_max,
        reserve_bytes=settings.disk_reserve_bytes,
        free_bytes=spool.space.free_bytes,
        clock=clock,
    )
    definitions = ToldDefinitions(one.name for one in settings.engines if one.kind == "icap")
    return SecondLook(
        ring,
        scanner=scanner,
        spool=spool,
        stop=stopping(spool, delivery),
        definitions=lambda: definitions.told(engines(), now_s=clock.monotonic_s()),
        is_idle=is_idle,
        clock=clock,
        registry=registry,
    )


def stopping(spool: Spool, delivery: Delivery) -> Callable[[MessageId, str], Awaitable[object]]:
    """Return what freezes whatever has not left of a message, for a reason."""

    async def stop(message: MessageId, reason: str) -> None:
        stored = spool.message(message)
        waiting = [one for one in stored.recipients if one.state in FREEZABLE] if stored else []
        if waiting:
            await delivery.freeze(message, [one.number for one in waiting], reason=reason)

    return stop
