"""Which mail does an operator mean, and how is it with it?

Touches the shard's spool and delivery room. A spool may hold a hundred thousand messages and an
answer is due within seconds: what takes longer ends early, and says where to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from common.clock import Clock
from common.errors import LocalError
from common.ids import MessageId, is_ulid
from common.states import State
from satellite.console.description import describe
from satellite.delivery.worker import Delivery
from satellite.node.channel import Answer, Question
from satellite.spool.finding import FoundRecipient
from satellite.spool.model.states import FREEZABLE, STOPPED
from satellite.spool.store import Spool

LIST_MAX = 1000  # messages in one answer
LISTED_RECIPIENTS_MAX = 20  # of one message in a list; it says how many there are
SHOWN_RECIPIENTS_MAX = 10_000  # of one message that is shown: a line has 16 MiB
PART_MESSAGES = 250  # read from the spool at once
MOVED_AT_ONCE = 100  # they share a commit, and write in the event loop
BREATH_MESSAGES = 25  # looked at before others have the event loop
BUDGET_S = 2.0  # for one answer; the parent waits 5 s for it
REASON = "frozen by an operator"


class Asked(Protocol):
    """What is needed of a shard."""

    spool: Spool
    delivery: Delivery
    clock: Clock


class NotUnderstood(LocalError):
    """A question that names nothing of ours."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which recipients are meant."""

    states: Collection[State] | None = None  # None: all
    destination: str = ""  # empty: all


Move = Callable[[MessageId, Collection[int]], Awaitable[None]]


class Inspection:
    """What an operator sees and moves of one shard's mail."""

    def __init__(self, shard: Asked) -> None:
        self._shard = shard

    async def look(self, question: Question) -> Answer:
        """Return messages, the oldest first: ``state``, ``destination``, ``limit``, ``after``."""
        limit = question.get("limit", LIST_MAX)
        limit = min(limit, LIST_MAX) if isinstance(limit, int) and limit > 0 else LIST_MAX
        where = Where(_states(question), _destination(question))
        described: list[Answer] = []
        breath = self._breath()
        after = ""
        for message, rows in self._messages(where, _after(question, self._shard.spool.shard)):
            if (rows and len(described) == limit) or await breath():
                return {"messages": described, "after": after}
            after = message
            stored = self._shard.spool.message(message) if rows else None
            if stored is not None:
                described.append(
                    describe(self._shard, stored, recipients_max=LISTED_RECIPIENTS_MAX)
                )
        return {"messages": described, "after": None}

    def show(self, question: Question) -> Answer:
        """Return one message, and how it is with each of its recipients."""
        stored = self._shard.spool.message(message_of(question))
        if stored is None:
            return {"messages": []}
        return {"messages": [describe(self._shard, stored, recipients_max=SHOWN_RECIPIENTS_MAX)]}

    def flush(self, question: Question) -> Answer:
        """Let one message, a destination's or all be tried now."""
        if question.get("id") is None:
            self._shard.delivery.flush(_destination(question))
            return {"done": True}
        message = message_of(question)
        is_here = self._shard.spool.message(message) is not None
        return {"done": is_here, "moved": int(is_here and self._shard.delivery.hurry(message))}

    async def freeze(self, question: Question) -> Answer:
        """Stop one message, or all that is here for a destination."""
        return await self._move(question, FREEZABLE, self._freeze)

    async def resume(self, question: Question) -> Answer:
        """Let what is frozen for a destination, or frozen or damaged of a message, go on."""
        spool = self._shard.spool
        states = {State.FROZEN} if question.get("id") is None else STOPPED
        return await self._move(
            question, states, lambda one, numbers: spool.resume(one, numbers=numbers)
        )

    async def drop(self, question: Question) -> Answer:
        """Give up what is damaged of one message."""
        spool = self._shard.spool
        return await self._move_one(
            message_of(question), {State.DAMAGED}, lambda one, numbers: spool.drop(one)
        )

    async def bounce(self, question: Question) -> Answer:
        """Send what is frozen or damaged of one message back to its sender."""
        message = message_of(question)
        is_here = self._shard.spool.message(message) is not None
        reason = question.get("reason")
        given = None
        if is_here:
            given = await self._shard.delivery.give_back(
                message, reason=reason if isinstance(reason, str) else ""
            )
        if given is None:
            return {"done": is_here, "moved": 0}
        return {
            "done": True,
            "moved": 1,
            "recipients": given.recipients,
            "told": given.is_told,
            "silent": list(given.silent),
            "content_lost": given.is_content_lost,
        }

    # ---- inside

    async def _freeze(self, message: MessageId, numbers: Collection[int]) -> None:
        await self._shard.spool.freeze(message, REASON, numbers=numbers)
        self._shard.delivery.stopped(message)

    async def _move(self, question: Question, states: Collection[State], move: Move) -> Answer:
        """Return how many messages were moved, and where to go on when there is more."""
        if question.get("id") is not None:
            return await self._move_one(message_of(question), states, move)
        where = Where(states, _destination(question))
        if not where.destination:
            raise NotUnderstood("name a message or a destination")
        pending: list[Awaitable[None]] = []
        moved, after = 0, ""
        breath = self._breath()
        for message, rows in self._messages(where, _after(question, self._shard.spool.shard)):
            if await breath():
                await asyncio.gather(*pending)
                return {"done": True, "moved": moved, "after": after}
            after = message
            if rows:
                moved += 1
                pending.append(move(message, [row.number for row in rows]))
            if len(pending) == MOVED_AT_ONCE:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)
        return {"done": True, "moved": moved, "after": None}

    async def _move_one(self, message: MessageId, states: Collection[State], move: Move) -> Answer:
        stored = self._shard.spool.message(message)
        if stored is None:
            return {"done": False, "moved": 0}
        numbers = [one.number for one in stored.recipients if one.state in states]
        if numbers:
            await move(message, numbers)
        return {"done": True, "moved": int(bool(numbers))}

    def _messages(
        self, where: Where, after: str
    ) -> Iterator[tuple[MessageId, list[FoundRecipient]]]:
        """Yield every message after one, with the recipients that are meant, perhaps none."""
        while rows := self._shard.spool.recipients(after=after, messages=PART_MESSAGES):
            for message, group in groupby(rows, key=attrgetter("message")):
                after = message
                yield message, [row for row in group if self._is_meant(where, row)]

    def _is_meant(self, where: Where, row: FoundRecipient) -> bool:
        if where.states is not None and row.state not in where.states:
            return False
        if not where.destination:
            return True
        goes_to = self._shard.delivery.destination_of(row.address, row.origin)
        return goes_to == where.destination

    def _breath(self) -> Callable[[], Awaitable[bool]]:
        """Return what lets others have the loop now and then, and says when the time is over."""
        clock = self._shard.clock
        ends_s = clock.monotonic_s() + BUDGET_S
        taken = 0

        async def breath() -> bool:
            nonlocal taken
            taken += 1
            if taken % BREATH_MESSAGES == 0:
                await asyncio.sleep(0)
            # At least one message for each answer, or it would never come to an end.
            return taken > 1 and clock.monotonic_s() >= ends_s

        return breath


def message_of(question: Question) -> MessageId:
    """Return the message that a question names.

    Raises:
        NotUnderstood: it names none.
    """
    text = str(question.get("id", ""))
    if not is_ulid(text):
        raise NotUnderstood(f"{text[:40]!r} is no message id")
    return MessageId(text)


def _states(question: Question) -> Collection[State] | None:
    name = question.get("state")
    if not name:
        return None
    try:
        return {State(name)}
    except ValueError:
        raise NotUnderstood(f"{str(name)[:40]!r} is no state") from None


def _destination(question: Question) -> str:
    return str(question.get("destination") or "").lower()


def _after(question: Question, shard: int) -> str:
    """Return the message after which this shard goes on; a question goes to all shards."""
    cursors = question.get("after")
    found = cursors.get(str(shard)) if isinstance(cursors, dict) else None
    return found if isinstance(found, str) else ""
