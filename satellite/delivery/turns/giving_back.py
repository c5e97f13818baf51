"""How does an operator send back mail that is frozen or damaged?

Touches the spool and the message's body, which is read to its end: only what is what was accepted
is returned. Outcome, records and DSN are one commit, so that a crash leaves all of it or nothing.

Source: RFC 3463 section 3.4 (status), RFC 3464 section 2 (a DSN may return nothing of the mail).
"""

from __future__ import annotations

from common.frozen import dataclass
from common.ids import MessageId
from common.tasks import finish
from common.verdict import on_one_line
from satellite.delivery.decisions.outcome import Fate
from satellite.delivery.turns.context import TurnContext
from satellite.delivery.turns.dsns import told
from satellite.spool.disk.bodies import BodyDamaged
from satellite.spool.model.messages import Stored
from satellite.spool.model.states import STOPPED

# Other or undefined mail system status: it was our system that lost the content or stopped the
# mail. Not 5.6.0, a media error: it says that the content is at fault, and the sender would not
# send it again. Not 5.3.2 either: nothing is said of the customer's host.
STATUS_GIVEN_BACK = "5.3.0"
REASON_LENGTH_MAX = 200  # characters of an operator's reason
RETURNED = "returned by order of an operator"
LOST = "its content was lost in our storage, so it has to be sent again"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """What was ended, and what the sender hears of it."""

    recipients: int
    is_told: bool  # of some of them at least
    silent: tuple[str, ...]  # why the sender is not told of others, or of any
    is_content_lost: bool


async def give_back(context: TurnContext, message: MessageId, *, reason: str) -> GivenBack | None:
    """End what is frozen or damaged of a message with a DSN to its sender, as NOTIFY wants it.

    Args:
        context: what all turns share.
        message: which one.
        reason: the operator's, for the sender; empty: none.

    Returns:
        What was done; None when nothing of it is frozen or damaged.

    Raises:
        IllegalTransition: some of it has gone on or ended meanwhile; nothing has changed.
        EnvironmentFailure: the body cannot be read now, or nothing written; it may work later.
    """
    stored = context.spool.message(message)
    chosen = [one for one in stored.recipients if one.state in STOPPED] if stored else []
    if stored is None or not chosen:
        return None
    is_lost = not await _is_whole(context, stored)
    words = RETURNED + (f": {on_one_line(reason[:REASON_LENGTH_MAX])}" if reason else "")
    finding = f"{LOST}; {words}" if is_lost else words
    fates = [
        Fate(recipient=one, status=STATUS_GIVEN_BACK, diagnostic=f"X-BorderScout; {finding}")
        for one in chosen
    ]
    heard = told(context, stored, fates, is_content_lost=is_lost)
    await finish(
        context.spool.bounce(
            message,
            [one.number for one in chosen],
            finding,
            records=heard.records,
            bounces=heard.bounces,
        )
    )
    for bounce in heard.bounces:
        context.metrics.bounces.inc()
        context.offer(bounce.id)
    return GivenBack(
        recipients=len(chosen),
        is_told=bool(heard.bounces),
        silent=tuple(record.reason for record in heard.records),
        is_content_lost=is_lost,
    )


async def _is_whole(context: TurnContext, stored: Stored) -> bool:
    """Say whether a body is what was accepted, to its last octet."""
    try:
        with context.spool.open_body(stored) as body:
            await body.verify()
    except BodyDamaged:
        return False
    return True
