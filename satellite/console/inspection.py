"""How is mail listed, flushed, frozen, resumed, dropped or bounced for an operator?

Touches the shard's spool and delivery room. A spool may hold a million messages and an
answer is due within seconds: what takes longer ends early, and says where to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from common.clock import Clock
from common.ids import MessageId
from common.states import State
from satellite.console.description import describe
from satellite.console.questions import (
    BounceAnswer,
    BounceQuestion,
    DropQuestion,
    FlushAnswer,
    FlushQuestion,
    FreezeQuestion,
    ListAnswer,
    ListQuestion,
    MessageDescription,
    MovedAnswer,
    ResumeQuestion,
    ShowAnswer,
    ShowQuestion,
)
from satellite.delivery.worker import Delivery
from satellite.node.question import NotUnderstood
from satellite.spool.finding import FoundRecipient
from satellite.spool.model.states import FREEZABLE, STOPPED
from satellite.spool.store import Spool

LISTED_RECIPIENTS_MAX = 20  # of one message in a list; it says how many there are
SHOWN_RECIPIENTS_MAX = 10_000  # of one message that is shown: a line has 16 MiB
ANSWERED_MAX = 200  # messages of a list in one answer; whoever wants more asks again
PART_MESSAGES = 250  # read from the spool at once
MOVED_AT_ONCE = 100  # they share a commit, and write in the event loop
BREATH_MESSAGES = 25  # looked at before others have the event loop
BUDGET_S = 0.3  # for one answer: with a last part, an operator has it within a second
REASON = "frozen by an operator"


class InspectedShard(Protocol):
    """What is needed of a shard."""

    spool: Spool
    delivery: Delivery
    clock: Clock


@dataclass(frozen=True, slots=True)
class Where:
    """Which recipients are meant."""

    states: Collection[State] | None = None  # None: all
    destination: str = ""  # empty: all


Move = Callable[[MessageId, Collection[int]], Awaitable[bool]]


class Inspection:
    """What an operator sees and moves of one shard's mail."""

    def __init__(self, shard: InspectedShard) -> None:
        self._shard = shard

    async def look(self, question: ListQuestion) -> ListAnswer:
        """Return messages, the oldest first."""
        states = None if question.state is None else {question.state}
        where = Where(states, question.destination)
        described: list[MessageDescription] = []
        limit = min(question.limit, ANSWERED_MAX)
        breath = self._breath()
        after = ""
        async for message, rows in self._messages(where, self._after(question)):
            if (rows and len(described) == limit) or await breath():
                return ListAnswer(messages=tuple(described), after=after)
            after = message
            stored = self._shard.spool.message(message) if rows else None
            if stored is not None:
                described.append(
                    describe(self._shard, stored, recipients_max=LISTED_RECIPIENTS_MAX)
                )
        return ListAnswer(messages=tuple(described), after=None)

    def show(self, question: ShowQuestion) -> ShowAnswer:
        """Return one message, and how it is with each of its recipients."""
        stored = self._shard.spool.message(question.id)
        if stored is None:
            return ShowAnswer(messages=())
        shown = describe(self._shard, stored, recipients_max=SHOWN_RECIPIENTS_MAX)
        return ShowAnswer(messages=(shown,))

    def flush(self, question: FlushQuestion) -> FlushAnswer:
        """Let one message, a destination's or all be tried now."""
        if question.id is None:
            self._shard.delivery.flush(question.destination)
            return FlushAnswer(done=True)
        is_here = self._shard.spool.message(question.id) is not None
        moved = is_here and self._shard.delivery.hurry(question.id)
        return FlushAnswer(done=is_here, moved=int(moved))

    async def freeze(self, question: FreezeQuestion) -> MovedAnswer:
        """Stop one message, or all that is here for a destination."""
        return await self._move(question, FREEZABLE | {State.SENDING}, self._freeze)

    async def resume(self, question: ResumeQuestion) -> MovedAnswer:
        """Let what is frozen for a destination go on; of one message, all that stops or waits."""
        states = {State.FROZEN} if question.id is None else STOPPED | {State.WAITING}
        return await self._move(question, states, self._resume)

    async def drop(self, question: DropQuestion) -> MovedAnswer:
        """Give up what is damaged of one message."""
        return await self._move_one(question.id, {State.DAMAGED}, self._drop)

    async def bounce(self, question: BounceQuestion) -> BounceAnswer:
        """Send what is frozen or damaged of one message back to its sender."""
        is_here = self._shard.spool.message(question.id) is not None
        given = None
        if is_here:
            given = await self._shard.delivery.give_back(question.id, reason=question.reason)
        if given is None:
            return BounceAnswer(done=is_here, moved=0)
        return BounceAnswer(
            done=True,
            moved=1,
            recipients=given.recipients,
            told=given.is_told,
            silent=tuple(given.silent),
            content_lost=given.is_content_lost,
        )

    # ---- inside

    async def _freeze(self, message: MessageId, numbers: Collection[int]) -> bool:
        return await self._shard.delivery.freeze(message, numbers, reason=REASON)

    async def _resume(self, message: MessageId, numbers: Collection[int]) -> bool:
        await self._shard.spool.resume(message, numbers=numbers)
        return True

    async def _drop(self, message: MessageId, numbers: Collection[int]) -> bool:
        await self._shard.spool.drop(message)
        return True

    async def _move(
        self, question: FreezeQuestion | ResumeQuestion, states: Collection[State], move: Move
    ) -> MovedAnswer:
        """Return how many messages were moved, and where to go on when there is more."""
        if question.id is not None:
            return await self._move_one(question.id, states, move)
        where = Where(states, question.destination)
        if not where.destination:
            raise NotUnderstood("name a message or a destination")
        pending: list[Awaitable[bool]] = []
        moved, after = 0, ""
        breath = self._breath()
        async for message, rows in self._messages(where, self._after(question)):
            if await breath():
                moved += sum(await asyncio.gather(*pending))
                return MovedAnswer(done=True, moved=moved, after=after)
            after = message
            if rows:
                pending.append(move(message, [row.number for row in rows]))
            if len(pending) == MOVED_AT_ONCE:
                moved += sum(await asyncio.gather(*pending))
                pending.clear()
        moved += sum(await asyncio.gather(*pending))
        return MovedAnswer(done=True, moved=moved)

    async def _move_one(
        self, message: MessageId, states: Collection[State], move: Move
    ) -> MovedAnswer:
        stored = self._shard.spool.message(message)
        if stored is None:
            return MovedAnswer(done=False, moved=0)
        numbers = [one.number for one in stored.recipients if one.state in states]
        is_moved = bool(numbers) and await move(message, numbers)
        return MovedAnswer(done=True, moved=int(is_moved))

    def _after(self, question: ListQuestion | FreezeQuestion | ResumeQuestion) -> str:
        """Return the message after which this shard goes on; a question goes to all shards."""
        return question.after.get(self._shard.spool.shard, "")

    async def _messages(
        self, where: Where, after: str
    ) -> AsyncIterator[tuple[MessageId, list[FoundRecipient]]]:
        """Yield messages after one, with the recipients that are meant, perhaps none."""
        is_one_domain = self._shard.delivery.is_one_domain(where.destination)
        while rows := await self._shard.spool.recipients(
            after=after,
            messages=PART_MESSAGES,
            domain=where.destination if is_one_domain else "",
            states=frozenset(State) if where.states is None else where.states,
        ):
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
