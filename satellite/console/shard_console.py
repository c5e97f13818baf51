"""What does a worker answer when it is asked?

Touches the shard's rooms. Questions come from the parent: for its metrics and readiness, and for
an operator on the node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from common.clock import Clock
from common.errors import BorderScoutError
from common.states import State
from satellite.console.inspection import Inspection
from satellite.delivery.decisions.hold import HOLD_DAYS_DEFAULT, expires_age_us
from satellite.delivery.worker import Delivery
from satellite.node.channel import Answer, Question
from satellite.spool.leftover import Left
from satellite.spool.store import Spool

HOLDS_MAX = 1000  # in one answer
AT_ONCE = (State.RECEIVED, State.QUEUED, State.SENDING)  # somebody works on these
EXPIRING = frozenset({State.WAITING, State.QUEUED, State.SENDING, State.DEFERRED, State.HELD})


class Asked(Protocol):
    """What the desk needs of a shard."""

    spool: Spool
    delivery: Delivery
    registry: CollectorRegistry
    listening: bool
    clock: Clock

    @property
    def not_accepting_reason(self) -> str: ...

    async def empty(self, on: bool) -> None: ...


class ShardConsole:
    """Answers the parent's questions."""

    def __init__(self, shard: Asked) -> None:
        self._shard = shard
        self._inspection = Inspection(shard)
        # What may take a while: of these the event loop goes on with other work.
        self._patient: Mapping[str, Callable[[Question], Awaitable[Answer]]] = {
            "list": self._inspection.look,
            "freeze": self._inspection.freeze,
            "resume": self._inspection.resume,
            "drop": self._inspection.drop,
            "bounce": self._inspection.bounce,
        }

    async def answer(self, question: Question) -> Answer:
        """Return the answer, or why there is none; a question never ends the worker."""
        try:
            return await self._answer(question)
        except (BorderScoutError, OSError) as error:
            return {"error": str(error)}

    async def _answer(self, question: Question) -> Answer:
        ask = question.get("ask")
        if isinstance(ask, str) and ask in self._patient:
            return await self._patient[ask](question)
        match ask:
            case "metrics":
                answer: Answer = {"text": generate_latest(self._shard.registry).decode()}
            case "listening":  # asked every second: nothing but memory is looked at
                answer = {"listening": self._shard.listening}
            case "status":
                answer = self._status()
            case "show":
                answer = self._inspection.show(question)
            case "flush":
                answer = self._inspection.flush(question)
            case "drain":
                await self._shard.empty(question.get("on") is True)
                answer = {"done": True}
            case "left":
                answer = self._left()
            case "holds":
                answer = self._holds()
            case _:
                answer = {"error": "unknown question"}
        return answer

    def _status(self) -> Answer:
        spool = self._shard.spool
        records, uploads = spool.backlog_sizes()
        return {
            "listening": self._shard.listening,
            "not_accepting_reason": self._shard.not_accepting_reason,
            "revision": spool.preferences.position.revision,
            "states": {state.value: count for state, count in spool.counts().items()},
            "outbox_records": records,
            "outbox_quarantine": uploads,
            "problems": list(spool.problems()),
        }

    def _holds(self) -> Answer:
        holds = self._shard.delivery.holds()
        return {"holds": [asdict(hold) for hold in holds[:HOLDS_MAX]]}

    def _left(self) -> Answer:
        spool = self._shard.spool
        records, uploads = spool.backlog_sizes()
        counts = spool.counts()
        return {
            "left": [self._line(line) for line in spool.left()],
            "records": records,
            "quarantine": uploads,
            "is_idle": self._shard.delivery.is_idle() and not any(counts[one] for one in AT_ONCE),
        }

    def _line(self, line: Left) -> dict[str, Any]:
        """Return a line of what is left, with the time at which its first message expires."""
        spool = self._shard.spool
        route = spool.preferences.route(line.domain)
        expires_us = 0
        if line.state in EXPIRING:
            days = route.hold_days if route is not None else HOLD_DAYS_DEFAULT
            left_us = expires_age_us(line.oldest_age_us, hold_days=days) - spool.age_us()
            expires_us = self._shard.clock.now_us() + max(0, left_us)
        return {
            "domain": line.domain,
            "customer": route.customer if route is not None else "",
            "state": line.state.value,
            "recipients": line.recipients,
            "bytes": line.bytes,
            "oldest": _iso(line.oldest_us),
            "expires": _iso(expires_us) if expires_us else "",
        }


def _iso(time_us: int) -> str:
    time = datetime.fromtimestamp(time_us / 1e6, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
