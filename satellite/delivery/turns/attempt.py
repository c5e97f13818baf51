"""How is one delivery attempt made when a message's turn comes?

Touches the spool and one next hop at a time. Recipients with the same copy share one transaction,
and each transaction ends in one commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from common.errors import BorderScoutError
from common.records import AttemptedRecipient, AttemptedRecord
from common.states import State
from satellite.delivery.decisions import hold as holds
from satellite.delivery.decisions import outcome
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.outcome import Ending, RecipientResult, Stage
from satellite.delivery.hop.client import BeforeDot, Offer, transact
from satellite.delivery.hop.connections import HopUnreachable
from satellite.delivery.hop.copies import CopyContent, offer_of
from satellite.delivery.hop.session import HopSession
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.pace import is_pushback
from satellite.delivery.turns.context import FAULT_PAUSE_S, TurnContext
from satellite.delivery.turns.settling import Pair
from satellite.delivery.turns.turn import MessageTurn
from satellite.spool.disk.bodies import BodyDamaged
from satellite.spool.model.messages import Stored

log = structlog.get_logger()


class Attempt(MessageTurn):
    """One message's turn with its server."""

    def __init__(
        self, entry: QueueEntry, context: TurnContext, *, fresh: Stored | None = None
    ) -> None:
        super().__init__(entry, context, fresh=fresh)
        self._is_last = False  # no transaction follows in this turn
        self._asked = False  # the destination's hosts, in this turn
        self._marked: set[int] = set()  # recipients whose sending mark was written in this turn

    async def _take(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        due = [pair for pair in pairs if pair[0].next_us <= self._entry.until_us]
        ended = 0
        groups = _by_copy(due)
        for number, group in enumerate(groups, start=1):
            self._is_last = number == len(groups)
            ended += await self._deliver(stored, group)
        return ended

    async def _deliver(self, stored: Stored, group: list[Pair]) -> int:
        """Do one transaction and commit it; return how many recipients ended."""
        hold = self._context.lanes.hold_of(self._entry.destination)
        if hold is not None and (self._asked or not self._entry.is_probe):
            answer = RecipientResult(
                stage=Stage.CONNECT, finding=hold.reason, status=outcome.STATUS_UNREACHABLE
            )
            return await self._settling.settle_unreached(stored, group, answer, is_away=True)
        try:
            return await self._transact(stored, group)
        except HopUnreachable as error:
            return await self._unreachable(stored, group, error)
        except BodyDamaged as error:
            log.error("delivery.body_damaged", message=stored.id, reason=error.what)
            await self._context.spool.damage(stored.id, error.what)
            return len(group)

    async def _unreachable(self, stored: Stored, group: list[Pair], error: HopUnreachable) -> int:
        context, destination = self._context, self._entry.destination
        if error.is_away and context.connections.is_in_use(destination):
            # It takes no more connections, and mail goes through those that it took: not away.
            context.lanes.pushed_back(self._entry)
            return 0
        # A probe that could not even look up the hosts has not found the destination back.
        is_still_away = self._entry.is_probe and error.answer.ending is Ending.LATER
        is_away = error.is_away or is_still_away
        if is_away:
            self._put_on_hold(error.answer.finding)
        return await self._settling.settle_unreached(stored, group, error.answer, is_away=is_away)

    def _put_on_hold(self, reason: str) -> None:
        context, destination = self._context, self._entry.destination
        hold = Hold(context.clock.now_us(), reason)
        next_s = self._started_s + holds.probe_wait_s(context.spread())
        context.lanes.away(destination, hold, next_probe_s=max(next_s, context.clock.monotonic_s()))

    async def _transact(self, stored: Stored, group: list[Pair]) -> int:
        context, destination = self._context, self._entry.destination
        with context.spool.open_body(stored) as body:
            content = CopyContent(stored.copies[group[0][0].copy], body)
            terms = context.terms(destination)
            session = context.connections.kept(destination, terms.targets, policy=terms.tls)
            answers = await self._use(session, stored, group, content) if session else None
            if session is None or (answers is not None and _was_closed_meanwhile(answers)):
                session = await self._open(group)
                answers = await self._use(session, stored, group, content)
        if answers is None:  # the sending mark could not be written: nothing left, nothing changed
            await context.clock.sleep(FAULT_PAUSE_S)
            return 0
        context.lanes.returned(destination)
        self._take_note(answers)
        if self._is_last and context.lanes.settling(self._entry):
            context.wake()  # the server takes the next one while this one's result becomes durable
        at = self._settling.circumstances(stored, group, is_away=False, session=session)
        records = (self._attempted(group, answers, session),)
        return await self._settling.settle(stored, group, answers, at, records)

    async def _open(self, group: list[Pair]) -> HopSession:
        context, destination = self._context, self._entry.destination
        self._asked = True
        terms = context.terms(destination)
        opening = context.connections.open(
            destination,
            terms.targets,
            policy=terms.tls,
            asked_before=any(recipient.attempts for recipient, _ in group),
            is_probe=self._entry.is_probe,
        )
        # A server may take its time for each step; a probe has a limit for all of them together.
        deadline_s = holds.PROBE_OPEN_S_MAX if self._entry.is_probe else None
        try:
            async with asyncio.timeout(deadline_s):
                session = await opening
        except TimeoutError:
            text = f"no session within {holds.PROBE_OPEN_S_MAX:g} s"
            answer = RecipientResult(
                stage=Stage.CONNECT, finding=text, status=outcome.STATUS_UNREACHABLE
            )
            raise HopUnreachable(answer, is_away=True) from None
        context.lanes.returned(destination)
        return session

    def _take_note(self, answers: Sequence[RecipientResult]) -> None:
        """Let the destination's pace follow its answers."""
        replies = [answer.reply for answer in answers if answer.reply is not None]
        if any(map(is_pushback, replies)):
            self._context.lanes.pushed_back(self._entry)
        elif replies:
            self._context.lanes.succeeded(self._entry)

    async def _use(
        self, session: HopSession, stored: Stored, group: list[Pair], content: CopyContent
    ) -> list[RecipientResult] | None:
        """Do the transaction; None: the sending mark could not be written."""
        try:
            unmarked = [
                r.number
                for r, _ in group
                if r.state is not State.SENDING and r.number not in self._marked
            ]
            policy = self._context.terms(self._entry.destination).eight_bit
            recipients = [(recipient, leg.address) for recipient, leg in group]
            offer = offer_of(stored, recipients, content, eight_bit_policy=policy)
            if not unmarked:  # the usual first try: the mark came with the judgement
                return await transact(session, offer, before_dot=self._before_dot(stored, group))
            return await self._send_marking(session, offer, stored, group, unmarked)
        finally:
            self._context.connections.give_back(self._entry.destination, session)

    async def _send_marking(
        self,
        session: HopSession,
        offer: Offer,
        stored: Stored,
        group: list[Pair],
        unmarked: list[int],
    ) -> list[RecipientResult] | None:
        marked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        before_dot = self._before_dot(stored, group, marked)
        # The mark becomes durable while MAIL and RCPT are on their way, and before the dot is.
        answers, _ = await asyncio.gather(
            transact(session, offer, before_dot=before_dot), self._mark(stored, unmarked, marked)
        )
        return answers if marked.result() else None

    def _before_dot(
        self, stored: Stored, group: list[Pair], marked: asyncio.Future[bool] | None = None
    ) -> BeforeDot:
        async def before_dot() -> bool:
            if marked is not None and not await marked:
                return False
            self._settling.unanswered = (stored, group)
            return True

        return before_dot

    async def _mark(self, stored: Stored, numbers: list[int], marked: asyncio.Future[bool]) -> None:
        try:
            await self._context.spool.mark_sending(stored.id, numbers)
        except BorderScoutError as error:
            # The disk refused it, or an operator froze the message a moment ago.
            log.warning("delivery.not_marked", message=stored.id, reason=error.what)
            marked.set_result(False)
        else:
            self._marked.update(numbers)
            marked.set_result(True)

    def _attempted(
        self, group: list[Pair], answers: Sequence[RecipientResult], session: HopSession
    ) -> AttemptedRecord:
        said = zip(group, answers, strict=True)
        return AttemptedRecord(
            destination=self._entry.destination.name,
            host=session.host,
            tls=session.tls,
            tls_verified=session.is_verified,
            recipients=tuple(
                [
                    AttemptedRecipient(address=recipient.address, reply=answer.text)
                    for (recipient, _), answer in said
                ]
            ),
            tls_problem=session.tls_problem,
        )


def _by_copy(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Return the groups that share one transaction: what one recipient's copy says, others with
    another copy never see."""
    if len(pairs) == 1:  # most mail
        return [list(pairs)]
    groups: dict[int, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].copy, []).append(pair)
    return list(groups.values())


def _was_closed_meanwhile(answers: Sequence[RecipientResult]) -> bool:
    """Say whether a kept session had been given up by the other side before we said MAIL."""
    for answer in answers:
        if answer.stage is not Stage.MAIL or answer.ending is not Ending.LATER:
            return False
        if answer.reply is not None and answer.reply.code != 421:
            return False
    return True
