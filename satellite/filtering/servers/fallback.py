"""Which of several servers of a filter is asked, and which one when that one fails?

Touches the clock. The one with the least under way is asked, the first in the settings among
equals; one that fails is followed by another, once. Unlike with a virus scanner no message is
thought to have ended its server: what a filter loses by a failure is points.

==================== =============================================
what it did          so it is left alone for
==================== =============================================
refuses connections  one second
takes none, silently ten seconds
keeps silent         ten seconds, where there is another one
answers nonsense     no time
==================== =============================================

While all are left alone the message has no answer, at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from common.clock import Clock
from common.errors import BorderScoutError
from satellite.filtering.servers.failures import HungUp, Nonsense, NoServer

ADDRESSES_MAX = 8  # of one filter
ATTEMPTS_MAX = 2  # servers that one message is shown to
AWAY_REFUSED_S = 1.0
AWAY_SILENT_S = 10.0


class FallbackServer(Protocol):
    """What is chosen from."""

    @property
    def address(self) -> str:
        """Return where it is, as the settings have it."""
        ...

    def close(self) -> None:
        """Let go of everything; harmless when repeated."""
        ...


ServerT = TypeVar("ServerT", bound=FallbackServer)
AnswerT = TypeVar("AnswerT")


@dataclass(eq=False, slots=True)
class _Place(Generic[ServerT]):
    server: ServerT
    under_way: int = 0
    away_until_s: float = float("-inf")


class Fallback(Generic[ServerT]):
    """The servers of one filter, in one worker.

    Args:
        servers: one at least, the preferred first.
        clock: for how long one is away.
        attempt_s: how long the first of several may take, before another one is asked.
    """

    def __init__(self, servers: Sequence[ServerT], *, clock: Clock, attempt_s: float) -> None:
        assert servers
        self._places = [_Place(server) for server in servers]
        self._clock = clock
        self._attempt_s = attempt_s

    @property
    def servers(self) -> tuple[ServerT, ...]:
        """Return all, in the order of the settings."""
        return tuple(place.server for place in self._places)

    async def ask(self, question: Callable[[ServerT], Awaitable[AnswerT]]) -> AnswerT:
        """Return the first answer.

        Args:
            question: asks one server.

        Raises:
            NoServer: none takes connections.
            HungUp, Nonsense: what the last one did.
            TimeoutError: the caller's time is over.
        """
        failure: BorderScoutError | None = None
        tried: list[_Place[ServerT]] = []
        while len(tried) < ATTEMPTS_MAX:
            place = self._next(tried)
            if place is None:
                break
            tried.append(place)
            may_repeat = len(tried) < ATTEMPTS_MAX and self._next(tried) is not None
            try:
                return await self._asked(place, question, self._attempt_s if may_repeat else None)
            except _Late:
                self._leave(place, AWAY_SILENT_S)
                failure = HungUp(f"{place.server.address} keeps silent")
            except NoServer as error:
                self._leave(place, AWAY_SILENT_S if error.was_silent else AWAY_REFUSED_S)
                failure = error
            except (HungUp, Nonsense) as error:
                failure = error
        raise failure or NoServer(f"left alone for some seconds: {self._all_away()}")

    def close(self) -> None:
        """Close all."""
        for place in self._places:
            place.server.close()

    async def _asked(
        self,
        place: _Place[ServerT],
        question: Callable[[ServerT], Awaitable[AnswerT]],
        within_s: float | None,
    ) -> AnswerT:
        """Ask one server; with a time of its own its silence is another failure than ours."""
        before_s = place.away_until_s
        if before_s > float(
            "-inf"
        ):  # only this message tries, until it is known what becomes of it
            self._leave(place, AWAY_SILENT_S)
        place.under_way += 1
        try:
            async with asyncio.timeout(within_s) as limit:
                answer = await question(place.server)
        except BaseException as error:  # cancelled too: nothing new is known of the server
            place.away_until_s = before_s
            if isinstance(error, TimeoutError) and limit.expired():
                raise _Late from None
            raise
        finally:
            place.under_way -= 1
        place.away_until_s = float("-inf")
        return answer

    def _next(self, tried: Sequence[_Place[ServerT]]) -> _Place[ServerT] | None:
        now_s = self._clock.monotonic_s()
        left = [p for p in self._places if p not in tried and p.away_until_s <= now_s]
        return min(left, key=lambda place: place.under_way, default=None)

    def _leave(self, place: _Place[ServerT], for_s: float) -> None:
        place.away_until_s = self._clock.monotonic_s() + for_s

    def _all_away(self) -> str:
        return ", ".join(place.server.address for place in self._places)


class _Late(Exception):
    """A server kept silent for its share of the time."""
