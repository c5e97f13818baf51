"""Which of several servers of an engine is shown the next message?

Touches the clock. The one that has the least under way is asked, the first in the settings among
equals. One that cannot be reached costs the message a connect, and the next server is asked; one
that says that it failed is followed by the next, too. A message that was shown and not answered is
shown to nobody else: it may be what ended the server, and would end all of them one after another.
When it comes again it goes to a server that did not end in the middle of it, so that one server's
weakness is not taken for the message's doing.

=================== =========================== ====================================================
what it did         so the message              so it is asked
=================== =========================== ====================================================
no connection       goes to the next server     by one message in ten seconds, until it answers
says that it failed goes to the next server     likewise, where another one did not fail
never answered      is late                     again once its probe is answered
ends in the middle  has failed                  as before: that may be the message's doing
=================== =========================== ====================================================

While all are away all are asked in turn, so that one server alone is always asked.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog

from common.clock import Clock
from common.verdict import printable
from satellite.scanning.engine import EngineHealth
from satellite.scanning.sessions.connection import ServerUnreachable, SessionEnded

log = structlog.get_logger()

ADDRESSES_MAX = 8  # of one engine
ENDED_MAX = 1_024  # different octets
AWAY_S = 10.0  # as often as a node's engines are probed
HEALTH_DETAIL_MAX = 60  # characters of what each of several servers says of itself


class ChosenServer(Protocol):
    """What is chosen from."""

    @property
    def address(self) -> str:
        """Return where it is, as the settings have it."""
        ...

    async def probe(self) -> EngineHealth:
        """Return whether it would answer now."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


ServerT = TypeVar("ServerT", bound=ChosenServer)
AnswerT = TypeVar("AnswerT")


@dataclass(eq=False, slots=True)
class ServerTurn(Generic[ServerT]):
    """One message on its way.

    Args:
        server: who has it, or had it last; None: nobody yet.
        shown: set once a server has it; before, no silence has to do with the message.
        began_s: when that server was asked.
        content: the SHA-256 of its octets.
    """

    server: ServerT | None = None
    shown: asyncio.Event = field(default_factory=asyncio.Event)
    began_s: float = float("-inf")
    content: bytes = b""


@dataclass(eq=False, slots=True)
class _Place(Generic[ServerT]):
    server: ServerT
    under_way: int = 0
    away_until_s: float = float("-inf")  # then one message tries; infinite: its probe does
    answered_s: float = float("-inf")


class ServerChoice(Generic[ServerT]):
    """The servers of one engine, in one worker.

    Args:
        servers: one at least, the preferred first.
        clock: for how long one is away.
    """

    def __init__(self, servers: Sequence[ServerT], *, clock: Clock) -> None:
        assert servers
        self._places = [_Place(server) for server in servers]
        self._clock = clock
        # Which ended in the middle of which octets; the oldest go.
        self._ended_of: OrderedDict[bytes, set[_Place[ServerT]]] = OrderedDict()

    @property
    def away(self) -> int:
        """Return how many are left alone now."""
        now_s = self._clock.monotonic_s()
        return sum(place.away_until_s > now_s for place in self._places)

    @property
    def present(self) -> tuple[ServerT, ...]:
        """Return those that are not away; all when all are."""
        now_s = self._clock.monotonic_s()
        here = tuple(place.server for place in self._places if place.away_until_s <= now_s)
        return here or tuple(place.server for place in self._places)

    async def ask(
        self,
        question: Callable[[ServerT], Awaitable[AnswerT]],
        *,
        has_failed: Callable[[AnswerT], bool],
        turn: ServerTurn[ServerT],
    ) -> AnswerT:
        """Return the first answer that is no failure, the last one where all are.

        Args:
            question: shows one server the message; sets ``turn.shown`` when it does.
            has_failed: whether an answer says that it was the server's failure.
            turn: is told who has the message.

        Raises:
            ServerUnreachable: none takes connections.
            SessionEnded: the server ended in the middle of it.
        """
        ended: Collection[_Place[ServerT]] = self._ended_of.get(turn.content, ())
        tried: list[_Place[ServerT]] = []
        failures: list[AnswerT] = []
        while len(tried) < len(self._places):
            place = self._next(tried, ended)
            tried.append(place)
            turn.server, turn.began_s = place.server, self._clock.monotonic_s()
            place.under_way += 1
            try:
                answer = await question(place.server)
            except ServerUnreachable as error:
                self._lose(place, error.what)
                if turn.shown.is_set():
                    self._note_end(place, turn)
                if turn.shown.is_set() or (len(tried) == len(self._places) and not failures):
                    raise
                continue
            except SessionEnded:
                if turn.shown.is_set():
                    self._note_end(place, turn)
                raise
            finally:
                place.under_way -= 1
            place.answered_s = self._clock.monotonic_s()
            if not has_failed(answer):
                self._ended_of.pop(turn.content, None)
                for other in tried[:-1]:  # this one could: it was not the message's doing
                    self._lose(other, "it says that it failed, and another one did not")
                self._welcome(place)
                return answer
            failures.append(answer)
            turn.shown.clear()  # it has answered; what the next one does is to be told apart
        return failures[-1]

    def was_late(self, turn: ServerTurn[ServerT]) -> None:
        """Take note that a server kept silent until a message's time was over."""
        for place in self._places:
            if place.server is turn.server and place.answered_s < turn.began_s:
                self._lose(place, "it keeps silent", until_s=float("inf"))

    async def probe(self) -> EngineHealth:
        """Return what the servers say of themselves, as one; who answers is no longer away."""
        healths = await asyncio.gather(*(place.server.probe() for place in self._places))
        for place, health in zip(self._places, healths, strict=True):
            if health.answering:
                self._welcome(place)
        addresses = [place.server.address for place in self._places]
        return joint_health(addresses, healths)

    def close(self) -> None:
        """Close all."""
        for place in self._places:
            place.server.close()

    def _note_end(self, place: _Place[ServerT], turn: ServerTurn[ServerT]) -> None:
        if turn.content and len(self._places) > 1:
            self._ended_of.setdefault(turn.content, set()).add(place)
            if len(self._ended_of) > ENDED_MAX:
                self._ended_of.popitem(last=False)

    def _next(
        self, tried: Sequence[_Place[ServerT]], ended: Collection[_Place[ServerT]]
    ) -> _Place[ServerT]:
        now_s = self._clock.monotonic_s()
        left = [place for place in self._places if place not in tried]
        if len(left) > 1:
            here = [place for place in left if place.away_until_s <= now_s]
            left = sorted(here or left, key=lambda one: (one in ended, one.under_way))
        place = left[0]
        if place.away_until_s > float("-inf"):  # only this message tries, for a while
            place.away_until_s = max(place.away_until_s, now_s + AWAY_S)
        return place

    def _lose(self, place: _Place[ServerT], why: str, *, until_s: float | None = None) -> None:
        if place.away_until_s == float("-inf") and len(self._places) > 1:
            log.warning("engine.server_away", address=place.server.address, reason=why)
        wanted_s = self._clock.monotonic_s() + AWAY_S if until_s is None else until_s
        place.away_until_s = max(place.away_until_s, wanted_s)

    def _welcome(self, place: _Place[ServerT]) -> None:
        if place.away_until_s > float("-inf") and len(self._places) > 1:
            log.info("engine.server_back", address=place.server.address)
        place.away_until_s = float("-inf")


def joint_health(addresses: Sequence[str], healths: Sequence[EngineHealth]) -> EngineHealth:
    """Return the health of several servers as that of one engine.

    It answers while one does. Its definitions are the oldest ones in use: mail may have been judged
    by them.

    Args:
        addresses, healths: of each server, in the same order.
    """
    if len(healths) == 1:
        return healths[0]
    here = [health for health in healths if health.answering]
    both = sorted(zip(addresses, healths, strict=True), key=lambda one: one[1].answering)
    details = [
        f"{address}: {printable(_told(health), length_max=HEALTH_DETAIL_MAX)}"
        for address, health in both  # who does not answer stands first
    ]
    said = [f"{len(here)} of {len(healths)} answer"]
    if len({health.definitions for health in here}) > 1:
        said.append("their definitions differ")
    if not here:
        return EngineHealth(answering=False, detail="; ".join([*said, *details]))
    # One that does not tell their age must not hide that another one's are old.
    oldest = min(here, key=lambda one: (one.definitions_us or math.inf, one.definitions))
    return EngineHealth(
        answering=True,
        version=oldest.version,
        detail="; ".join([*said, *details]),
        definitions=oldest.definitions,
        definitions_us=oldest.definitions_us,
    )


def _told(health: EngineHealth) -> str:
    return f"{health.definitions} {health.detail}".strip() if health.answering else health.detail
