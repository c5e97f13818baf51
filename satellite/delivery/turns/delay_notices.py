"""For which recipients is a delay DSN due now?

Touches the body of the message, through the spool, for the notice itself. Once for each recipient,
when the policy wants it, the message has the age for it, and nothing in NOTIFY is against it.

Source: RFC 3461 section 4.1 (DELAY), RFC 3464 section 2.3.3 (Action: delayed).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from common.envelope import Notify
from common.states import OUTCOMES
from satellite.delivery.decisions import notices
from satellite.delivery.decisions.outcome import DsnAction
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.dsn.bounce import delayed
from satellite.delivery.turns.context import TurnContext
from satellite.delivery.turns.dsns import language_of, start_of
from satellite.spool.model.messages import NewMessage, Recipient, Settled, Stored

_SECOND_US = 1_000_000


def late(
    context: TurnContext, stored: Stored, destination: Destination, recipients: Iterable[Recipient]
) -> tuple[Recipient, ...]:
    """Return those of a message's recipients of whose delay its sender is to be told now."""
    notice_s = context.terms(destination).notice_s
    if notice_s is None or context.spool.age_us() - stored.age_us < notice_s * _SECOND_US:
        return ()
    untold = [recipient for recipient in recipients if not recipient.told_us]
    return notices.told(stored, untold, Notify.DELAY)


def with_notice(
    context: TurnContext,
    stored: Stored,
    destination: Destination,
    recipients: Iterable[Recipient],
    results: Sequence[Settled],
) -> tuple[tuple[Settled, ...], tuple[NewMessage, ...]]:
    """Return results with those marked of whom the sender is told now, and what it is told.

    Args:
        context: gives ids, the time and the body.
        stored: the message.
        destination: of these recipients.
        recipients: as they were before.
        results: how they go on; what has ended is late no more.
    """
    staying = {result.number: result for result in results if result.state not in OUTCOMES}
    if not staying:
        return tuple(results), ()
    chosen = late(context, stored, destination, (r for r in recipients if r.number in staying))
    if not chosen:
        return tuple(results), ()
    numbers = {recipient.number for recipient in chosen}
    told = tuple(replace(r, told=True) if r.number in numbers else r for r in results)
    return told, (_notice(context, stored, destination, [_after(r, staying) for r in chosen]),)


def _after(recipient: Recipient, results: dict[int, Settled]) -> Recipient:
    result = results[recipient.number]
    return replace(recipient, state=result.state, reply=result.reply, reason=result.reason)


def _notice(
    context: TurnContext, stored: Stored, destination: Destination, recipients: Sequence[Recipient]
) -> NewMessage:
    now_us = context.clock.now_us()
    passed_us = context.spool.age_us() - stored.age_us
    left_us = int(context.terms(destination).hold_s * _SECOND_US) - passed_us
    context.metrics.notices.inc()
    return delayed(
        stored,
        recipients,
        start=start_of(context, stored, DsnAction.DELAYED),
        report_id=context.new_id(),
        now_us=now_us,
        retry_until_us=now_us + max(0, left_us),
        reporter=context.reporter,
        language=language_of(context, recipients[0]),
    )
