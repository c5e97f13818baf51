"""What do the engines of a shard say of themselves now?

Touches the engines, through the scanning room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from common.clock import Clock
from common.preferences import Preferences
from common.reports import EngineReport
from satellite.judging.staleness import stale_problems
from satellite.scanning.absences import Absences
from satellite.scanning.engine import EngineHealth

PROBE_S = 10.0  # between looks at the engines
PROBE_LOOKS = 5  # meanwhile at whether one is away, which is asked at once: mail waits for it


class ProbesEngines(Protocol):
    """The scanning room, as far as it is asked."""

    @property
    def absences(self) -> Absences: ...

    async def probe_all(self) -> Mapping[str, EngineHealth]: ...


class EngineWatch:
    """Asks all engines every few seconds.

    Args:
        scanner: asks them.
        preferences: returns those in force, which say how old definitions may be.
        clock: the time.

    Attributes:
        reports: what the core is told of each engine.
    """

    def __init__(
        self, scanner: ProbesEngines, preferences: Callable[[], Preferences], clock: Clock
    ) -> None:
        self.reports: tuple[EngineReport, ...] = ()
        self._scanner = scanner
        self._preferences = preferences
        self._clock = clock

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            found = await self._scanner.probe_all()
            self.reports = tuple(
                EngineReport(
                    name=name,
                    answering=health.answering,
                    version=health.version,
                    detail=health.detail,
                    definitions=health.definitions,
                    definitions_us=health.definitions_us,
                )
                for name, health in found.items()
            )
            for _ in range(PROBE_LOOKS):
                await self._clock.sleep(PROBE_S / PROBE_LOOKS)
                if self._scanner.absences.any_unavailable:
                    break

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know of the engines' definitions, a sentence each."""
        return stale_problems(self.reports, self._preferences(), now_us=self._clock.now_us())
