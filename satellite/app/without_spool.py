"""How are engines and filters built where there is no spool?

Touches the engines, DNS and the helper processes, which end with the context.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.pushed_rules import PushedRules
from common.settings.satellite import EngineSettings, FilterSettings
from satellite.app.looking_inside import looks_inside
from satellite.filtering.catalogue import build_filters
from satellite.filtering.filter import FilterContext
from satellite.filtering.resolver import DnsResolver
from satellite.filtering.run import Filters
from satellite.judging.examination import ExaminingRooms
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from satellite.tallies.shared_tallies import SharedTallies


@dataclass(frozen=True, slots=True)
class BuiltRooms:
    """Engines and filters, ready.

    Attributes:
        examining: both, as judging asks them.
        scanner: the engines alone.
        filters: the filters alone.
    """

    examining: ExaminingRooms
    scanner: Scanner
    filters: Filters


@asynccontextmanager
async def built_rooms(
    engines: Sequence[EngineSettings],
    filters: Sequence[FilterSettings],
    *,
    resolver: str,
    registry: CollectorRegistry,
    clock: Clock,
    yara_rules: Callable[[], tuple[PushedRules, ...]],
) -> AsyncIterator[BuiltRooms]:
    """Give engines and filters for as long as the context lasts.

    Args:
        engines, filters, resolver: as settings name them.
        registry: where their metrics are collected.
        clock: the time.
        yara_rules: gives those of the preferences now.

    Raises:
        SettingsError: an engine or a filter cannot be.
    """
    helper = Helper(clock=clock)
    for_engines = EngineContext(clock=clock, helper=helper, yara_rules=yara_rules)
    scanner = Scanner(build_engines(engines, for_engines), clock, registry=registry)
    # No core sums them: each process goes by its own.
    tallies = SharedTallies("", clock=clock, salt=secrets.randbits(64), life=secrets.token_hex(8))
    context = FilterContext(
        clock=clock, resolver=DnsResolver(resolver), metrics=registry, tallies=tallies
    )
    made = Filters(build_filters(filters, context), clock=clock, metrics=registry)
    looks = looks_inside(helper, resolver=resolver, clock=clock)
    try:
        yield BuiltRooms(ExaminingRooms(scanner, made, looks, clock), scanner, made)
    finally:
        await made.close()
        await scanner.close()
        await helper.close()
