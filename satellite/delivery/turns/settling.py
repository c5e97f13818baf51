"""How are a delivery attempt's outcomes committed to the spool, with their log records?

Touches the spool. One commit holds the new states, the records and the DSNs. What was not committed
is known here until it is: a full disk delays it, since these results happened.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from common.errors import EnvironmentFailure, LocalError
from common.frozen import dataclass
from common.ids import MessageId
from common.records import MessageRecord, PossiblyDeliveredRecord
from common.states import OUTCOMES, State
from common.tasks import finish
from satellite.delivery.decisions import hold as holds
from satellite.delivery.decisions import outcome
from satellite.delivery.decisions.outcome import RecipientResult, Settlement, Stage
from satellite.delivery.decisions.routing import Leg
from satellite.delivery.hop.session import HopSession
from satellite.delivery.turns.context import FAULT_PAUSE_S, TurnContext
from satellite.delivery.turns.delay_notices import late, with_notice
from satellite.delivery.turns.dsns import told
from satellite.spool.model.messages import NewMessage, Recipient, Settled, Stored

log = structlog.get_logger()

_SECOND_US = 1_000_000

Pair = tuple[Recipient, Leg]


@dataclass(frozen=True, slots=True)
class _Pending:
    """What has to be committed."""

    message: MessageId
    results: tuple[Settled, ...]
    records: tuple[MessageRecord, ...]
    bounces: tuple[NewMessage, ...]


class Settling:
    """The results of one message's turn.

    Args:
        context: what all turns share.
        started_s: when the turn began, monotonic.
    """

    def __init__(self, context: TurnContext, *, started_s: float) -> None:
        self._context = context
        self._started_s = started_s
        self._pending: _Pending | None = None
        # Whose final dot has left without a result that is kept here.
        self.unanswered: tuple[Stored, Sequence[Pair]] | None = None

    def circumstances(
        self,
        stored: Stored,
        group: Sequence[Pair],
        *,
        is_away: bool,
        session: HopSession | None = None,
    ) -> outcome.Circumstances:
        """Return what beside the answers decides how recipients go on.

        Args:
            stored: the message.
            group: its recipients in one transaction; they have one destination.
            is_away: no host of the destination can be talked to.
            session: with the next hop that was talked to; None: none.
        """
        context = self._context
        now_us = context.clock.now_us()
        return outcome.Circumstances(
            now_us=now_us,
            schedule=context.schedule,
            spread=context.spread(),
            host=session.host if session else "",
            remote_host=session.hop.target.host if session else "",
            relays_dsn=session is not None and session.extensions.dsn,
            is_away=is_away,
            next_probe_us=now_us + int(holds.PROBE_S_MAX * _SECOND_US),
            is_expired=holds.is_expired(
                age_us=context.spool.age_us(),
                accepted_age_us=stored.age_us,
                hold_days=group[0][1].hold_days,
            ),
        )

    async def settle(
        self,
        stored: Stored,
        group: Sequence[Pair],
        answers: Sequence[RecipientResult],
        at: outcome.Circumstances,
        records: tuple[MessageRecord, ...] = (),
    ) -> int:
        """Commit what became of the recipients of one transaction; return how many ended."""
        settlement = outcome.settle([recipient for recipient, _ in group], answers, at)
        if settlement.possibly_delivered:
            possible = tuple(settlement.possibly_delivered)
            records += (PossiblyDeliveredRecord(recipients=possible),)
        heard = told(self._context, stored, settlement.fates)
        await self._put(
            stored, group, settlement.results, records + heard.records, bounces=heard.bounces
        )
        self._count(settlement)
        return sum(result.state in OUTCOMES for result in settlement.results)

    async def settle_unreached(
        self, stored: Stored, group: Sequence[Pair], answer: RecipientResult, *, is_away: bool
    ) -> int:
        """Commit that no server was talked to, if that is news; return how many ended."""
        at = self.circumstances(stored, group, is_away=is_away)
        recipients = [recipient for recipient, _ in group]
        is_news = not (is_away and all(r.state is State.HELD for r in recipients))
        destination = group[0][1].destination
        # A probe that failed changes nothing and is not worth a commit.
        if not (is_news or at.is_expired or late(self._context, stored, destination, recipients)):
            return 0
        return await self.settle(stored, group, [answer] * len(group), at)

    async def tell_of_delay(self, stored: Stored, group: Sequence[Pair]) -> None:
        """Commit that the sender is told of a delay, if it is; all else stays as it is."""
        recipients = [recipient for recipient, _ in group]
        chosen = late(self._context, stored, group[0][1].destination, recipients)
        results = tuple(_unchanged(recipient) for recipient in chosen)
        if results:
            await self._put(stored, group, results, ())

    async def finish_what_a_fault_left(self) -> None:
        """Commit what was not; a dot whose answer was lost on the way is possibly delivered."""
        await self._commit()
        if self.unanswered is None:
            return
        stored, group = self.unanswered
        answer = RecipientResult(
            stage=Stage.DOT,
            finding="a fault of ours after the final dot",
            status=outcome.STATUS_FAULT,
            possibly_delivered=True,
        )
        at = self.circumstances(stored, group, is_away=False)
        await self.settle(stored, group, [answer] * len(group), at)

    async def _put(
        self,
        stored: Stored,
        group: Sequence[Pair],
        results: tuple[Settled, ...],
        records: tuple[MessageRecord, ...],
        *,
        bounces: tuple[NewMessage, ...] = (),
    ) -> None:
        """Keep the results and commit them, with the notice of delay that is due by now."""
        recipients = [recipient for recipient, _ in group]
        destination = group[0][1].destination
        results, notices = with_notice(self._context, stored, destination, recipients, results)
        self._pending = _Pending(stored.id, results, records, bounces + notices)
        self.unanswered = None
        await self._commit()

    async def _commit(self) -> None:
        """Commit what is pending; return when it is durable, or refused for good."""
        pending = self._pending
        while pending is not None and self._pending is pending:
            try:
                await finish(
                    self._context.spool.settle(
                        pending.message,
                        pending.results,
                        records=pending.records,
                        bounces=pending.bounces,
                    )
                )
            except EnvironmentFailure as error:
                log.error("delivery.not_settled", message=pending.message, reason=error.what)
                await self._context.clock.sleep(FAULT_PAUSE_S)
            except LocalError as error:
                # Somebody moved these recipients meanwhile; the table of states has the last word.
                log.error("delivery.result_refused", message=pending.message, reason=error.what)
                self._pending = None
            else:
                self._pending = None
                for bounce in pending.bounces:
                    self._context.metrics.bounces.inc()
                    self._context.offer(bounce.id)

    def _count(self, settlement: Settlement) -> None:
        metrics = self._context.metrics
        for result in settlement.results:
            metrics.attempts.count(result.state)
        if settlement.possibly_delivered:
            metrics.ambiguous.inc(len(settlement.possibly_delivered))
        metrics.duration.observe(self._context.clock.monotonic_s() - self._started_s)


def _unchanged(recipient: Recipient) -> Settled:
    """Return the result that leaves a recipient where it is; what was never tried is put off."""
    state = State.HELD if recipient.state is State.HELD else State.DEFERRED
    return Settled(
        number=recipient.number,
        state=state,
        reason=recipient.reason,
        reply=recipient.reply,
        next_us=recipient.next_us,
        attempted=False,
    )
