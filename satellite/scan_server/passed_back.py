"""What does a client hear of what the next hop said, and of what we found?

Pure. A reply of the next hop is passed back as it is, but that it never ends our client's
connection: 421 becomes 451. What we say ourselves has no word from outside in it.

Source: RFC 5321 section 4.2, RFC 2033 section 4.2 (one reply for each recipient), RFC 3463.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.ids import MessageId
from satellite.delivery.decisions.outcome import RecipientResult
from satellite.delivery.decisions.reply import HopReply
from satellite.judging.disposition import Done
from satellite.scan_server.examiner import Treatment
from satellite.smtp import replies
from satellite.smtp.replies import Reply

NEXT_HOP_AWAY = Reply(451, "4.4.1", "The next server does not answer; try again later")
NEXT_HOP_LOST = Reply(451, "4.4.2", "The next server did not finish; try again later")
NOT_SCANNED = Reply(451, "4.7.0", "Not scanned, since a scanner does not answer; try again later")
TOO_LONG_TO_SCAN = Reply(451, "4.7.0", "Not scanned in time; try again later")
UNFIT = Reply(554, "5.6.0", "The next server cannot take this message")
NOT_FOR_YOU = Reply(554, "5.7.1", "This server scans for others", closes=True)
NESTED = Reply(503, "5.5.1", "Not within a transaction", weight=replies.PROTOCOL_ERROR)
FORWARD_OK = Reply(250, "2.0.0", "Ok")


def passed_back(reply: HopReply) -> Reply:
    """Return what a client hears of a reply of the next hop to one of its commands."""
    if reply.severity == 3:
        return NEXT_HOP_LOST
    first, *more = reply.lines
    status = reply.enhanced
    text = first.removeprefix(status).lstrip() if status else first
    code = 451 if reply.code == 421 else reply.code
    return Reply(code, status, text, more=tuple(more))


def of_result(result: RecipientResult) -> Reply:
    """Return what a client hears of what became of one recipient at the next hop."""
    if result.reply is not None:
        return passed_back(result.reply)
    if result.status.startswith("5"):
        return UNFIT
    return NEXT_HOP_AWAY if result.status == "4.4.1" else NEXT_HOP_LOST


def of_treatment(
    treatment: Treatment, message: MessageId, *, refuses_quarantine: bool
) -> Reply | None:
    """Return what a client hears of one recipient whose copy does not go on; None: it does.

    Args:
        treatment: what is done.
        message: our id of it.
        refuses_quarantine: what were quarantined is refused.
    """
    match treatment.done:
        case Done.DELIVER:
            return None
        case Done.REJECT:
            return replies.rejected(str(treatment.disposed.cause))
        case Done.QUARANTINE:
            if refuses_quarantine:
                return replies.rejected(str(treatment.disposed.cause))
            return Reply(250, "2.0.0", f"Ok: kept as {message}")
        case Done.WAIT:
            return NOT_SCANNED
        case Done.DROP:
            return Reply(250, "2.0.0", f"Ok: taken as {message}")


def the_worst(given: Iterable[Reply]) -> Reply:
    """Return the one answer for all recipients: who must try again does, and else who is refused.

    Args:
        given: one or more.
    """
    return max(given, key=lambda reply: {4: 2, 5: 1}.get(reply.code // 100, 0))
