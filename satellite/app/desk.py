"""What does a worker answer when it is asked?

Touches the shard's rooms. Questions come from the parent: for its metrics and readiness, and for
an operator on the node.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from common.clock import Clock
from common.errors import BorderScoutError
from common.ids import MessageId, is_ulid
from satellite.app.channel import Answer, Question
from satellite.delivery.hold import HOLD_DAYS_DEFAULT, expires_age_us
from satellite.delivery.worker import Delivery
from satellite.spool.leftover import Left
from satellite.spool.messages import Stored
from satellite.spool.states import State
from satellite.spool.store import Spool

LIST_MAX = 1000  # messages in one answer

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


class Desk:
    """Answers the parent's questions."""

    def __init__(self, shard: Asked) -> None:
        self._shard = shard

    async def answer(self, question: Question) -> Answer:
        """Return the answer, or what is wrong with the question."""
        try:
            return await self._answer(question)
        except BorderScoutError as error:
            return {"error": str(error)}

    async def _answer(self, question: Question) -> Answer:
        match question.get("ask"):
            case "metrics":
                answer: Answer = {"text": generate_latest(self._shard.registry).decode()}
            case "status":
                answer = self._status()
            case "list":
                answer = self._list(question)
            case "show":
                answer = self._show(_message(question))
            case "flush":
                self._shard.delivery.flush(str(question.get("destination", "")))
                answer = {"done": True}
            case "drain":
                await self._shard.empty(question.get("on") is True)
                answer = {"done": True}
            case "left":
                answer = self._left()
            case "freeze":
                message = self._known(question)
                if message is not None:
                    await self._shard.spool.freeze(message, "frozen by an operator")
                answer = {"done": message is not None}
            case "resume":
                message = self._known(question)
                if message is not None:
                    await self._shard.spool.resume(message)
                answer = {"done": message is not None}
            case _:
                answer = {"error": "unknown question"}
        return answer

    def _known(self, question: Question) -> MessageId | None:
        message = _message(question)
        return message if self._shard.spool.message(message) is not None else None

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
        }

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

    def _list(self, question: Question) -> Answer:
        limit = question.get("limit", LIST_MAX)
        limit = min(limit, LIST_MAX) if isinstance(limit, int) and limit > 0 else LIST_MAX
        found = self._shard.spool.unfinished(limit=limit)
        return {"messages": [summary(message) for message in found]}

    def _show(self, message: MessageId) -> Answer:
        stored = self._shard.spool.message(message)
        return {"messages": [summary(stored)] if stored is not None else []}


def _message(question: Question) -> MessageId:
    text = str(question.get("id", ""))
    if not is_ulid(text):
        raise BorderScoutError(f"{text[:40]!r} is no message id")
    return MessageId(text)


def _iso(time_us: int) -> str:
    time = datetime.fromtimestamp(time_us / 1e6, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def summary(message: Stored) -> dict[str, Any]:
    """Return a message as ``spool list`` shows it."""
    return {
        "id": message.id,
        "received": _iso(message.received_us),
        "origin": message.origin.value,
        "sender": message.envelope.sender,
        "size": message.size,
        "subject": message.subject,
        "recipients": [
            {
                "address": recipient.address,
                "state": recipient.state.value,
                "reason": recipient.reason,
                "attempts": recipient.attempts,
                "next_us": recipient.next_us,
                "reply": recipient.reply,
            }
            for recipient in message.recipients
        ],
    }
