"""Which DSNs go into the commit of one attempt?

Touches the body of the message, through the spool. What happened to several recipients at once is
one DSN for each action; why a sender is not told of mail that failed is a record of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.address import domain_of
from common.envelope import Notify
from common.frozen import dataclass
from common.preferences.policy import DsnLanguage
from common.records import BounceWithheldRecord
from satellite.delivery.decisions.notices import Silence, silence
from satellite.delivery.decisions.outcome import DsnAction, Fate
from satellite.delivery.dsn import bounce
from satellite.delivery.dsn.returned import HEADER_BYTES_MAX, returned_bytes
from satellite.delivery.turns.context import TurnContext
from satellite.spool.disk.bodies import BodyDamaged
from satellite.spool.model.messages import NewMessage, Recipient, Stored

_ASKED_BY = {
    DsnAction.FAILED: Notify.FAILURE,
    DsnAction.DELAYED: Notify.DELAY,
    DsnAction.RELAYED: Notify.SUCCESS,
}


@dataclass(frozen=True, slots=True)
class ToldSenders:
    """What one commit tells senders, and what it does not."""

    bounces: tuple[NewMessage, ...]
    records: tuple[BounceWithheldRecord, ...]


_NOTHING_TOLD = ToldSenders((), ())


def told(
    context: TurnContext, stored: Stored, fates: Sequence[Fate], *, is_content_lost: bool = False
) -> ToldSenders:
    """Return the DSNs for what happened to recipients of a message.

    Args:
        context: gives ids, the time and the body.
        stored: the message.
        fates: of recipients that ended, or are late, in this commit.
        is_content_lost: its body is known not to be what was accepted: nothing of it is returned.
    """
    if not fates:  # most mail
        return _NOTHING_TOLD
    bounces = []
    withheld: dict[str, list[str]] = {}
    for action, notify in _ASKED_BY.items():
        heard = []
        for fate in fates:
            if fate.action is not action:
                continue
            why_not = silence(stored, fate.recipient, notify)
            if why_not is None:
                heard.append(fate)
            elif action is DsnAction.FAILED:
                withheld.setdefault(why_not, []).append(fate.recipient.address)
        if heard and not _is_allowed(context, stored):
            addresses = [fate.recipient.address for fate in heard]
            withheld.setdefault(Silence.TOO_MANY, []).extend(addresses)
        elif heard:
            start = None if is_content_lost else start_of(context, stored, action)
            bounces.append(_report(context, stored, heard, start))
    records = tuple(
        BounceWithheldRecord(recipients=tuple(addresses), reason=why)
        for why, addresses in withheld.items()
    )
    return ToldSenders(tuple(bounces), records)


def start_of(context: TurnContext, stored: Stored, action: DsnAction) -> bytes | None:
    """Return as much of a message's body as a DSN is made from; None when it cannot be read."""
    wanted_bytes = returned_bytes(stored, action)
    if wanted_bytes > HEADER_BYTES_MAX and not _may_go_whole(context, stored, wanted_bytes):
        wanted_bytes = HEADER_BYTES_MAX
    try:
        with context.spool.open_body(stored) as body:
            return body.read(0, wanted_bytes)
    except BodyDamaged:
        return None  # the sender is told all the same


def language_of(context: TurnContext, recipient: Recipient) -> DsnLanguage:
    """Return the language in which a sender is told of a recipient, as that one's policy says."""
    return context.spool.preferences.policy(recipient.address).dsn_language


def _is_allowed(context: TurnContext, stored: Stored) -> bool:
    domain = domain_of(stored.envelope.sender)
    return context.allowance.take(domain, now_s=context.clock.monotonic_s())


def _may_go_whole(context: TurnContext, stored: Stored, octets: int) -> bool:
    domain = domain_of(stored.envelope.sender)
    return context.allowance.take_octets(domain, octets, now_s=context.clock.monotonic_s())


def _report(
    context: TurnContext, stored: Stored, fates: Sequence[Fate], start: bytes | None
) -> NewMessage:
    return bounce.report(
        stored,
        fates,
        start=start,
        report_id=context.new_id(),
        now_us=context.clock.now_us(),
        reporter=context.reporter,
        language=language_of(context, fates[0].recipient),
    )
