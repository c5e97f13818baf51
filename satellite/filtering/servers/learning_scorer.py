"""How does a filter learn that asks another program, and who is that program's teacher?

Touches the program's servers. Each of them is told a lesson, since each may remember for itself. To
be told twice does no harm: it says that it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from common.lessons import Lesson, LessonOutcome
from common.settings.satellite import FilterSettings
from common.verdict import printable
from satellite.filtering.filter import FilterContext, FilterHealth, Learned
from satellite.filtering.servers.failures import HungUp, Nonsense, NoServer
from satellite.filtering.servers.fallback import FallbackServer
from satellite.filtering.servers.scorer import (
    PROBE_S,
    Asks,
    Scorer,
    ScorerLimits,
    ServerT,
    WeightsT,
)

LEARN_S = 30.0  # for one server and one lesson; it unpacks the message and writes to its disk

# What all servers together made of a lesson: the first of these that one of them said.
_WORST_FIRST = (
    LessonOutcome.AWAY,
    LessonOutcome.FAILED,
    LessonOutcome.REFUSED,
    LessonOutcome.LEARNED,
    LessonOutcome.KNOWN,
)

TaughtT = TypeVar("TaughtT", bound=FallbackServer)
TaughtT_contra = TypeVar("TaughtT_contra", contravariant=True)


class Teaches(Protocol[TaughtT_contra]):
    """How one kind of server is taught."""

    async def taught(self, server: TaughtT_contra, lesson: Lesson) -> Learned:
        """Return what a server made of a lesson.

        Raises:
            NoServer, HungUp, Nonsense: there is no answer.
        """
        ...

    async def readiness(self, server: TaughtT_contra) -> str:
        """Return that a server would learn, in its words.

        Raises:
            NoServer, HungUp, Nonsense: it would not.
        """
        ...


class LearningScorer(Scorer[ServerT, WeightsT], Generic[ServerT, WeightsT, TaughtT]):
    """A filter that asks another program, and teaches it.

    Args:
        settings: of the filter.
        context: the clock.
        servers, asks, weights, limits: as for ``Scorer``.
        taught: those that learn, one at least.
        teaches: how they are told.
    """

    def __init__(
        self,
        settings: FilterSettings,
        context: FilterContext,
        *,
        servers: Sequence[ServerT],
        asks: Asks[ServerT, WeightsT],
        weights: type[WeightsT],
        limits: ScorerLimits,
        taught: Sequence[TaughtT],
        teaches: Teaches[TaughtT],
    ) -> None:
        super().__init__(
            settings, context, servers=servers, asks=asks, weights=weights, limits=limits
        )
        self._taught = tuple(taught)
        self._teaches = teaches

    async def learn(self, lesson: Lesson) -> Learned:
        """Tell each server a lesson, one after the other, and return what became of it."""
        found = [await self._told(server, lesson) for server in self._taught]
        return min(found, key=lambda one: _WORST_FIRST.index(one.outcome))

    async def probe(self) -> tuple[FilterHealth, ...]:
        """Return whether each server would answer now, and each that learns would learn."""
        asked = await super().probe()
        ready = await asyncio.gather(*(self._would_learn(server) for server in self._taught))
        return (*asked, *ready)

    async def close(self) -> None:
        """Close all connections."""
        await super().close()
        for server in self._taught:
            server.close()

    async def _told(self, server: TaughtT, lesson: Lesson) -> Learned:
        try:
            async with asyncio.timeout(LEARN_S):
                return await self._teaches.taught(server, lesson)
        except TimeoutError:
            what = f"{server.address} does not answer within {LEARN_S:g} s"
            return Learned(LessonOutcome.FAILED, what)
        except NoServer as error:
            return Learned(LessonOutcome.AWAY, printable(error.what))
        except (HungUp, Nonsense) as error:
            return Learned(LessonOutcome.FAILED, printable(error.what))

    async def _would_learn(self, server: TaughtT) -> FilterHealth:
        try:
            async with asyncio.timeout(PROBE_S):
                said, is_ready = await self._teaches.readiness(server), True
        except TimeoutError:
            said, is_ready = "it does not answer", False
        except (NoServer, HungUp, Nonsense) as error:
            said, is_ready = error.what, False
        address = f"{server.address} (learns)"
        return FilterHealth(address, is_answering=is_ready, detail=printable(said))
