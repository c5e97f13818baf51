"""How is one delivery attempt made when a message's turn comes?

Touches the spool and one next hop at a time. Recipients with the same copy share one transaction,
and each transaction ends in one commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from common.errors import BorderScoutError, LocalError
from common.records import AttemptedRecipient, AttemptedRecord
from common.states import State
from common.tasks import finish
from satellite.delivery.decisions import hold as holds
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.outcome import (
    STATUS_FAULT,
    Ending,
    RecipientResult,
    Stage,
    for_another_host,
)
from satellite.delivery.decisions.routing import Via
from satellite.delivery.hop.client import BeforeDot, Offer, transact
from satellite.delivery.hop.copies import CopyContent, offer_of
from satellite.delivery.hop.hop_finding import may_have_others
from satellite.delivery.hop.host_order import (
    HopUnreachable,
    not_found_in_time,
    silence_of,
    unreached,
)
from satellite.delivery.hop.session import HopSession
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.pace import is_pushback
from satellite.delivery.queue.places import PlaceKind
from satellite.delivery.turns.context import FAULT_PAUSE_S, TurnContext
from satellite.delivery.turns.settling import Pair
from satellite.delivery.turns.turn import MessageTurn
from satellite.spool.disk.bodies import BodyDamaged
from satellite.spool.model.messages import Stored

log = structlog.get_logger()

FAULT = "a fault of ours kept it from its server"


class Attempt(MessageTurn):
    """One message's turn with its server."""

    def __init__(
        self, entry: QueueEntry, context: TurnContext, *, fresh: Stored | None = None
    ) -> None:
        super().__init__(entry, context, fresh=fresh)
        self._is_last = False  # no transaction follows in this turn
        self._asked = False  # the destination's hosts, in this turn
        self._has_hosts = False  # they are known by now
        self._marked: set[int] = set()  # recipients whose sending mark was written in this turn
        self._session: HopSession | None = None  # while a transaction goes on
        self._patience: asyncio.Timeout | None = None  # while a session is being opened
        self._breathe = context.loop_round.breathe
        self._is_overtaken = False  # somebody moved recipients of it meanwhile: it is read anew

    async def _take(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        ended = 0
        groups = _by_copy(self._due(pairs))
        for number, group in enumerate(groups, start=1):
            self._is_last = number == len(groups)
            ended += await self._deliver(stored, group)
        return ended

    async def _take_after_fault(self, stored: Stored, pairs: Sequence[Pair]) -> int:
        """Put off what is due, as if its server had: what a peer can make us fail at must neither
        be begun again for ever nor keep its message from expiring.
        """
        due = self._due(pairs)
        if not due:
            return 0
        hold = self._context.lanes.hold_of(self._entry.destination)
        if hold is not None:
            self._put_on_hold(hold.reason, None)
        answer = RecipientResult(stage=Stage.MAIL, finding=FAULT, status=STATUS_FAULT)
        return await self._settling.settle_unreached(stored, due, answer, is_away=hold is not None)

    def _due(self, pairs: Sequence[Pair]) -> list[Pair]:
        return [pair for pair in pairs if pair[0].next_us <= self._entry.until_us]

    async def _deliver(self, stored: Stored, group: list[Pair]) -> int:
        """Do one transaction and commit it; return how many recipients ended."""
        hold = self._context.lanes.hold_of(self._entry.destination)
        if hold is not None and (self._asked or not self._entry.is_probe):
            answer = unreached(hold.reason)
            return await self._settling.settle_unreached(stored, group, answer, is_away=True)
        try:
            return await self._transact(stored, group)
        except HopUnreachable as error:
            return await self._unreachable(stored, group, error)
        except BodyDamaged as error:
            log.error("delivery.body_damaged", message=stored.id, reason=error.what)
            await self._context.spool.damage(stored.id, error.what)
            return len(group)

    def give_way(self) -> None:
        """Open no session any more: others wait for the place."""
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    def hangs(self) -> None:
        """Take note that the server takes long for this message: others do not wait for it."""
        if self._session is not None:
            self._context.connections.hangs(self._entry.destination, self._session)

    async def _unreachable(self, stored: Stored, group: list[Pair], error: HopUnreachable) -> int:
        context, destination = self._context, self._entry.destination
        context.places.heard(self._entry)
        if error.is_away and context.connections.is_in_use(destination):
            # It takes no more connections, and mail goes through those that it took: not away.
            context.lanes.pushed_back(self._entry)
            return 0
        # A probe that could not even look up the hosts has not found the destination back.
        is_still_away = self._entry.is_probe and error.answer.ending is Ending.LATER
        is_away = error.is_away or is_still_away
        if is_away:
            self._put_on_hold(error.reason, error.next_s)
        return await self._settling.settle_unreached(stored, group, error.answer, is_away=is_away)

    def _put_on_hold(self, reason: str, next_s: float | None) -> None:
        context, destination = self._context, self._entry.destination
        hold = context.lanes.hold_of(destination) or Hold(context.clock.now_us(), reason)
        if destination.via is Via.ROUTE:
            wait_s = holds.probe_wait_s(context.spread())
        else:
            away_s = (context.clock.now_us() - hold.since_us) / 1e6
            wait_s = holds.stranger_wait_s(away_s, context.spread())
        next_s = max(next_s or self._started_s + wait_s, context.clock.monotonic_s())
        context.lanes.away(destination, Hold(hold.since_us, reason), next_probe_s=next_s)

    async def _transact(self, stored: Stored, group: list[Pair]) -> int:
        context, destination = self._context, self._entry.destination
        terms = context.terms(destination)
        session = context.connections.kept(destination, terms.targets, policy=terms.tls)
        answers = await self._use(session, stored, group) if session else None
        if session is None or (answers is not None and _takes_no_more(answers)):
            session = await self._open(group)
            answers = await self._use(session, stored, group)
        if answers is None:  # the sending mark could not be written: nothing left, nothing changed
            if not self._is_overtaken:
                await context.clock.sleep(FAULT_PAUSE_S)
            return 0
        context.lanes.returned(destination)
        self._take_note(answers)
        rest = for_another_host(answers)
        if rest and may_have_others(terms.targets):
            return await self._elsewhere(stored, group, answers, rest, session)
        if self._is_last and context.lanes.settling(self._entry):
            context.wake()  # the server takes the next one while this one's result becomes durable
        at = self._settling.circumstances(stored, group, is_away=False, session=session)
        records = (self._attempted(group, answers, session),)
        return await self._settling.settle(stored, group, answers, at, records)

    async def _elsewhere(
        self,
        stored: Stored,
        group: list[Pair],
        answers: Sequence[RecipientResult],
        rest: Sequence[int],
        session: HopSession,
    ) -> int:
        """Commit what one host decided, and give another one what it put off."""
        records: tuple[AttemptedRecord, ...] = (self._attempted(group, answers, session),)
        self._settling.unanswered = None
        done = [number for number in range(len(group)) if number not in rest]
        ended = 0
        if done:
            pairs = [group[number] for number in done]
            at = self._settling.circumstances(stored, pairs, is_away=False, session=session)
            decided = [answers[number] for number in done]
            ended = await self._settling.settle(stored, pairs, decided, at, records)
            records = ()
        left, later = [group[number] for number in rest], [answers[number] for number in rest]
        context, destination = self._context, self._entry.destination
        terms = context.terms(destination)
        other = await context.connections.open_other(
            destination, terms.targets, policy=terms.tls, than=session.hop
        )
        context.wake()  # how long it takes is watched
        answered = await self._use(other, stored, left) if other else None
        if self._is_overtaken:
            return ended
        if other is not None and answered is not None:
            session, later = other, answered
            self._take_note(answered)
            records += (self._attempted(left, answered, other),)
        at = self._settling.circumstances(stored, left, is_away=False, session=session)
        return ended + await self._settling.settle(stored, left, later, at, records)

    async def _open(self, group: list[Pair]) -> HopSession:
        context, destination = self._context, self._entry.destination
        self._asked = True
        terms = context.terms(destination)
        # No body is open meanwhile: a thousand may wait for servers that never answer.
        opening = context.connections.open(
            destination,
            terms.targets,
            policy=terms.tls,
            asked_before=any(recipient.attempts for recipient, _ in group),
            is_probe=self._entry.is_probe,
            within_s=self._open_s(),
            on_found=self._hosts_are_known,
        )
        started_s = context.clock.monotonic_s()
        context.places.opens(self._entry, now_s=started_s)
        try:
            async with asyncio.timeout(None) as self._patience:
                session = await opening
        except TimeoutError:
            if not self._has_hosts:
                raise not_found_in_time(destination) from None
            waited_s = context.clock.monotonic_s() - started_s
            text = f"no session within {waited_s:.0f} s, and others waited for the place"
            reason = silence_of(terms.targets or (destination.name,))
            raise HopUnreachable(unreached(text), is_away=True, reason=reason) from None
        finally:
            self._patience = None
        context.lanes.returned(destination)
        context.lanes.answered(destination)
        context.learn(destination, session.extensions)
        context.wake()  # what was held may go now, and the transaction is watched
        return session

    def _hosts_are_known(self) -> None:
        self._has_hosts = True

    def _open_s(self) -> float:
        context = self._context
        if not self._entry.is_probe:
            return context.open_s
        at_once = context.places.most(PlaceKind.PROBE)
        return holds.probe_open_s(away=len(context.lanes.on_hold), at_once=at_once)

    def _take_note(self, answers: Sequence[RecipientResult]) -> None:
        """Let the destination's pace follow its answers."""
        replies = [answer.reply for answer in answers if answer.reply is not None]
        if any(map(is_pushback, replies)):
            self._context.lanes.pushed_back(self._entry)
        elif replies:
            self._context.lanes.succeeded(self._entry)

    async def _use(
        self, session: HopSession, stored: Stored, group: list[Pair]
    ) -> list[RecipientResult] | None:
        """Do the transaction; None: the sending mark could not be written."""
        context = self._context
        self._session = session
        context.places.talks(self._entry, now_s=context.clock.monotonic_s())
        try:
            with context.spool.open_body(stored) as body:
                content = CopyContent(stored.copies[group[0][0].copy], body)
                answers = await self._say(session, stored, group, content)
            if answers is not None and _takes_no_more(answers):
                session.leave()
            return answers
        finally:
            self._session = None
            context.places.heard(self._entry)
            context.connections.give_back(self._entry.destination, session)

    async def _say(
        self, session: HopSession, stored: Stored, group: list[Pair], content: CopyContent
    ) -> list[RecipientResult] | None:
        unmarked = [
            r.number
            for r, _ in group
            if r.state is not State.SENDING and r.number not in self._marked
        ]
        policy = self._context.terms(self._entry.destination).eight_bit
        recipients = [(recipient, leg.address) for recipient, leg in group]
        await content.look()
        offer = offer_of(stored, recipients, content, eight_bit_policy=policy)
        if not unmarked:  # the usual first try: the mark came with the judgement
            before_dot = self._before_dot(stored, group)
            return await transact(session, offer, before_dot=before_dot, breathe=self._breathe)
        return await self._send_marking(session, offer, stored, group, unmarked)

    async def _send_marking(
        self,
        session: HopSession,
        offer: Offer,
        stored: Stored,
        group: list[Pair],
        unmarked: list[int],
    ) -> list[RecipientResult] | None:
        # The mark becomes durable while MAIL and RCPT are on their way, and before the dot is.
        marked = asyncio.create_task(self._mark(stored, unmarked), name="delivery.mark")
        try:
            before_dot = self._before_dot(stored, group, marked)
            answers = await transact(session, offer, before_dot=before_dot, breathe=self._breathe)
        finally:
            is_marked = await finish(marked)  # whatever comes of it: the turn may go on
        return answers if is_marked else None

    def _before_dot(
        self, stored: Stored, group: list[Pair], marked: asyncio.Task[bool] | None = None
    ) -> BeforeDot:
        async def before_dot() -> bool:
            if marked is not None and not await marked:
                return False
            self._settling.unanswered = (stored, group)
            return True

        return before_dot

    async def _mark(self, stored: Stored, numbers: list[int]) -> bool:
        """Make the sending mark durable; return whether it is."""
        try:
            await self._context.spool.mark_sending(stored.id, numbers)
        except BorderScoutError as error:
            # The disk refused it, or an operator stopped recipients of the message a moment ago:
            # then none of them is sent to in this transaction, since it names them all.
            log.warning("delivery.not_marked", message=stored.id, reason=error.what)
            self._is_overtaken = isinstance(error, LocalError)
            return False
        self._marked.update(numbers)
        return True

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


def _takes_no_more(answers: Sequence[RecipientResult]) -> bool:
    """Say whether a session is at its end, and another one may still take the message.

    Either the other side had given it up before we said MAIL, or it puts MAIL off: OpenSMTPD has
    taken its hundred messages then, and goes on to say 452 for as long as we go on to ask.
    """
    if answers[0].stage is not Stage.MAIL:  # nearly always; it is one for all
        return False
    return all(answer.stage is Stage.MAIL and answer.ending is Ending.LATER for answer in answers)
