"""Mail of which size does an engine not answer on?

Touches the event loop, through the guards. An engine may scan small mail and hang on all that is
larger: the way to it loses full packets, or it has no room for a file. So there is a guard for each
size of mail, and a trial is as large as the mail of its size may be; that of the last one is large.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from common.clock import Clock
from satellite.scanning.engine import EngineHealth
from satellite.scanning.engine_guard import LEFT_ALONE, EngineGuard, trial_sample
from satellite.scanning.sample import Sample

KIB = 1024
TRIAL_BYTES = (16 * KIB, 256 * KIB, 1024 * KIB)  # of each size of mail; but the last is without end


class SizeGuards:
    """What stands between messages and one engine.

    Args:
        name: of the engine.
        clock: the time.
        scans: whether the engine scans a sample now.
        bytes_max: the largest that it may be shown, in octets; 0: any.
        works_here: it is this node's own work, and may be busy, but never away.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        scans: Callable[[Sample], Awaitable[bool]],
        bytes_max: int,
        works_here: bool,
    ) -> None:
        async def scans_trial(size: int) -> bool:
            return await scans(trial_sample(min(size, bytes_max or size)))

        self._guards = tuple(
            EngineGuard(name, clock, trial=partial(scans_trial, size), works_here=works_here)
            for size in TRIAL_BYTES
        )

    def of(self, size: int) -> EngineGuard:
        """Return the guard for messages of ``size`` octets."""
        return self._guards[bisect_left(TRIAL_BYTES[:-1], size)]

    def openness(self) -> float:
        """Return 1 when mail of some size is kept away, 0.5 when a few try it, else 0."""
        return max(guard.openness() for guard in self._guards)

    @property
    def answers(self) -> tuple[int, ...]:
        """Return how many there were, for each size."""
        return tuple(guard.breaker.answers for guard in self._guards)

    async def probed(self, *, answers: bool, answers_before: Sequence[int]) -> None:
        """Take note of a probe.

        Args:
            answers: whether it was answered.
            answers_before: ``answers`` when it began.
        """
        await asyncio.gather(
            *(
                guard.probed(answers=answers, answers_before=before)
                for guard, before in zip(self._guards, answers_before, strict=True)
            )
        )

    def as_seen(self, health: EngineHealth) -> EngineHealth:
        """Return what operators are told: a probe that is answered says little while mail is not.

        Args:
            health: what the probe said.
        """
        sizes = [
            words
            for words, guard in zip(_sizes(), self._guards, strict=True)
            if guard.breaker.is_suspicious
        ]
        if not sizes:
            return health
        probe = "its probe is answered, but it scans nothing" if health.answering else health.detail
        of_size = f" of {' and of '.join(sizes)}" if len(sizes) < len(self._guards) else ""
        return replace(health, answering=False, detail=f"{LEFT_ALONE}{of_size}; {probe}{of_size}")


def _sizes() -> list[str]:
    """Return the sizes of mail in words."""
    small, middle = (f"{size // KIB} KiB" for size in TRIAL_BYTES[:-1])
    return [f"up to {small}", f"{small} to {middle}", f"more than {middle}"]
