"""What do ``spool list`` and ``spool show`` tell of a message and its recipients?

Pure, over what a shard answers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from common.clock import Clock
from common.preferences.policy import ZERO_HOUR_MINUTES_MAX
from common.states import OUTCOMES, State
from satellite.console.questions import (
    HoldDescription,
    MessageDescription,
    RecipientDescription,
)
from satellite.delivery.decisions.hold import expires_age_us
from satellite.delivery.destination_status import DestinationStatus
from satellite.spool.model.messages import Origin, Recipient, Stored
from satellite.spool.model.zero_hour import is_kept

_SECOND_US = 1_000_000
_FOR_A_SERVER = frozenset({State.QUEUED, State.DEFERRED, State.HELD})
IS_BACK = "the server is back, and its mail is on the way, the oldest first"


class Ages(Protocol):
    """The spool's clock."""

    def age_us(self) -> int: ...


class Ways(Protocol):
    """The delivery room."""

    def standing(self, address: str, origin: Origin) -> DestinationStatus: ...


class Told(Protocol):
    """Whoever knows how it is with the mail."""

    @property
    def clock(self) -> Clock: ...

    @property
    def spool(self) -> Ages: ...

    @property
    def delivery(self) -> Ways: ...


def describe(shard: Told, message: Stored, *, recipients_max: int) -> MessageDescription:
    """Return a message as ``spool list`` and ``spool show`` know it.

    Args:
        shard: asked where its recipients' mail goes, and for the age of the spool.
        message: as it is committed.
        recipients_max: at most so many of them are described.
    """
    received = datetime.fromtimestamp(message.received_us / 1e6, UTC)
    age_us, now_us = shard.spool.age_us(), shard.clock.now_us()
    return MessageDescription(
        id=message.id,
        received=received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        origin=message.origin.value,
        sender=message.envelope.sender,
        size=message.size,
        subject=message.subject,
        recipients_count=len(message.recipients),
        recipients=tuple(
            _recipient(
                message,
                one,
                shard.delivery.standing(one.address, message.origin),
                age_us=age_us,
                now_us=now_us,
            )
            for one in _pending_first(message.recipients)[:recipients_max]
        ),
    )


def _pending_first(recipients: tuple[Recipient, ...]) -> list[Recipient]:
    return sorted(recipients, key=lambda one: one.state in OUTCOMES)


def _recipient(
    message: Stored,
    recipient: Recipient,
    standing: DestinationStatus,
    *,
    age_us: int,
    now_us: int,
) -> RecipientDescription:
    has_ended = recipient.state in OUTCOMES
    reason, next_us = _as_it_is_now(recipient, standing, now_us=now_us)
    expires_us = expires_age_us(message.age_us, hold_days=standing.hold_days)
    return RecipientDescription(
        address=recipient.address,
        state=recipient.state,
        reason=reason,
        attempts=recipient.attempts,
        next_us=next_us,
        reply=recipient.reply,
        destination=standing.destination,
        hosts=standing.hosts,
        hold=None if has_ended else _hold(standing),
        hold_days=standing.hold_days,
        left_s=None if has_ended else (expires_us - age_us) / _SECOND_US,
    )


def _as_it_is_now(
    recipient: Recipient, standing: DestinationStatus, *, now_us: int
) -> tuple[str, int]:
    """Return why a recipient is here, and when he is tried next.

    Of mail that is held the spool knows why and when as its hold began, and of a clock that was
    wrong then it knows nothing.
    """
    last_us = now_us + int(standing.longest_wait_s * _SECOND_US)
    if is_kept(recipient):  # for as long as a policy may say
        last_us = now_us + int(ZERO_HOUR_MINUTES_MAX * 60 * _SECOND_US)
    next_us = min(recipient.next_us, last_us)
    if recipient.state not in _FOR_A_SERVER:
        return recipient.reason, next_us
    if standing.hold is not None:
        return standing.hold.reason, now_us + int((standing.probe_in_s or 0.0) * _SECOND_US)
    if recipient.state is State.HELD:
        return IS_BACK, 0
    return recipient.reason, next_us


def _hold(standing: DestinationStatus) -> HoldDescription | None:
    if standing.hold is None:
        return None
    return HoldDescription(
        since_us=standing.hold.since_us,
        reason=standing.hold.reason,
        probe_in_s=standing.probe_in_s,
    )
