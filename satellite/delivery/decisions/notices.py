"""Which DSNs are wanted, and which are withheld?

Pure. The sender says in NOTIFY what it wants to hear; we never tell those whom a DSN would only
hurt: the null sender (two servers would bounce to each other for ever), the sender of a DSN of our
own, and the sender of what was judged spam or virus, which is likely forged (backscatter).

Source: RFC 3461 sections 4.1 and 5.2, RFC 5321 section 6.1, RFC 3834 section 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from common.address import AddressError, parse_address
from common.envelope import Notify
from satellite.spool.model.messages import Origin, Recipient, Stored


class Silence(StrEnum):
    """Why a sender is not told."""

    NO_SENDER = "it has no sender"
    OWN = "it is a notice of our own"
    BAD_SENDER = "its sender is no address"
    SUSPECT = "it was judged spam or virus, so its sender may be forged"
    NOT_WANTED = "the sender asked for none"
    TOO_MANY = "its sender's domain has been told of too many"


def silence(message: Stored, recipient: Recipient, what: Notify) -> Silence | None:
    """Return why the sender of a message is not told of one recipient; None: it is told."""
    if not message.envelope.sender:
        return Silence.NO_SENDER
    if message.origin is Origin.BOUNCE:
        return Silence.OWN
    if not _is_address(message.envelope.sender):
        return Silence.BAD_SENDER
    if recipient.suspect:
        return Silence.SUSPECT
    return None if wants(recipient, what) else Silence.NOT_WANTED


def wants(recipient: Recipient, what: Notify) -> bool:
    """Say whether NOTIFY of one recipient asks for a kind of DSN.

    Without NOTIFY a sender hears of failure, and of delay where the policy says so; never of
    success: RFC 3461 section 4.1.
    """
    notify = recipient.dsn.notify
    if not notify:
        return what in (Notify.FAILURE, Notify.DELAY)
    return what in notify


def told(message: Stored, recipients: Iterable[Recipient], what: Notify) -> tuple[Recipient, ...]:
    """Return those of a message's recipients of whom its sender is told that something happened."""
    return tuple(r for r in recipients if silence(message, r, what) is None)


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except AddressError:
        return False
    return True
