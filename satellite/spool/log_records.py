"""Which log records does each step of a message's life write?

Pure over a ``Transaction``. The fields of each event are what the core's intake reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.ids import MessageId
from common.records import Event
from common.states import OUTCOMES, State
from satellite.spool.commits import Transaction
from satellite.spool.model.messages import Judgement, Outgoing, Recipient, Settled, Stored
from satellite.spool.model.states import TABLE


def accepted_record(stored: Stored) -> Outgoing:
    """Return what tells of a message that is ours from now on."""
    return _told(Event.ACCEPTED, stored)


def rejected_record(stored: Stored) -> Outgoing:
    """Return what tells of a message that was offered, and is not taken."""
    return _told(Event.REJECTED, stored)


def _told(event: Event, stored: Stored) -> Outgoing:
    envelope = stored.envelope
    fields = {
        "client": envelope.client_address,
        "helo": envelope.helo,
        "sender": envelope.sender,
        "recipients": list(envelope.recipients),
        "size": stored.size,
        "sha256": stored.sha256.hex(),
        "tls": envelope.tls,
        "origin": stored.origin,
        "subject": stored.subject,
        "released_from": stored.released_from,
    }
    return Outgoing(event=event, message_id=stored.id, fields=fields)


def record_judgement(
    transaction: Transaction,
    message: MessageId,
    judgement: Judgement,
    addresses: Mapping[int, str],
    after: Mapping[int, State],
) -> None:
    scanned = {
        "revision": judgement.revision,
        "score": judgement.score,
        "subject": judgement.subject,
        "message_id": judgement.message_id_header,
        "verdicts": list(judgement.verdicts),
    }
    transaction.record(Outgoing(event=Event.SCANNED, message_id=message, fields=scanned))
    dispositions = [
        {
            "address": addresses[one.number],
            "disposition": one.disposition,
            "reason": one.reason,
        }
        for one in judgement.recipients
    ]
    fields = {
        "recipients": dispositions,
        "quarantine_reason": judgement.quarantine_reason,
        "quarantine_detail": judgement.quarantine_detail,
    }
    transaction.record(Outgoing(event=Event.JUDGED, message_id=message, fields=fields))
    ended = [
        _result_fields(addresses[one.number], after[one.number], reason=one.reason)
        for one in judgement.recipients
        if after[one.number] in OUTCOMES
    ]
    if ended:
        transaction.record(
            Outgoing(event=Event.ENDED, message_id=message, fields={"recipients": ended})
        )


def record_results(
    transaction: Transaction,
    message: MessageId,
    results: Sequence[Settled],
    before: Mapping[int, Recipient],
) -> None:
    groups: dict[Event, list[dict[str, Any]]] = {}
    for result in results:
        recipient = before[result.number]
        fields = _result_fields(
            recipient.address,
            result.state,
            reason=why(recipient, result),
            reply=result.reply,
            attempts=recipient.attempts + int(result.attempted),
            next_us=result.next_us,
        )
        groups.setdefault(_event_of(result.state), []).append(fields)
    for event, group in groups.items():
        transaction.record(Outgoing(event=event, message_id=message, fields={"recipients": group}))


def why(recipient: Recipient, result: Settled) -> str:
    """Return why a recipient is where it is: what was delivered, because it was judged so."""
    return recipient.decided if result.state is State.DELIVERED else result.reason


def _event_of(state: State) -> Event:
    event = TABLE[state].record
    assert event is not None  # no result of an attempt is a sending mark
    return event


def _result_fields(
    address: str,
    state: State,
    *,
    reason: str,
    reply: str = "",
    attempts: int = 0,
    next_us: int = 0,
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "address": address,
        "reason": reason,
        "reply": reply,
        "attempts": attempts,
    }
    if state in OUTCOMES:
        return fields | {"outcome": state}
    return fields | {"next_us": next_us}
