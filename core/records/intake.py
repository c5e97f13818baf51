"""Which records are new, and what do they change?

Pure. Each position counts once: a repeat has no effect, a hole is refused, and a shard's older life
is fenced off by its newer one. Whatever a record holds, it is kept; what cannot be read or is not
its sender's to say changes nothing and gets a flaw.

Source: docs/design/link-guarantees.md, U1, U5; promises P1, P7, P9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never

from common.address import domain_of, fold
from common.errors import PeerError
from common.identity import ShardIdentity
from common.ids import is_ulid
from common.records import FIELDS_BYTES_MAX, Event, LogRecord
from common.records.bounds import (
    LABEL_LENGTH_MAX,
    NAME_LENGTH_MAX,
    TIME_US_MAX,
    VERDICTS_MAX,
    whole_number,
)
from common.states import OUTCOMES, State
from core.records.fields import Fields
from core.records.messages import Message, RecipientCopy

THREATS_MAX = 32  # names of one message that reports count

SCANNED = "scanned"  # no state of the spool, which judges in the step that scans

_BEFORE_A_TRY = {State.RECEIVED, SCANNED, State.QUEUED, State.SENDING}
_BEFORE_A_VERDICT = {
    State.RECEIVED,
    SCANNED,
    State.WAITING,
    State.DAMAGED,  # an operator let it go on
}
_MOVES = {
    Event.DEFERRED: State.DEFERRED,
    Event.HELD: State.HELD,
    Event.FROZEN: State.FROZEN,
    Event.RESUMED: State.DEFERRED,
    Event.DAMAGED: State.DAMAGED,
}

CustomerOf = Callable[[str], str]


class Fenced(PeerError):
    """A later life of this shard has spoken: this one must not."""

    def __init__(self, identity: ShardIdentity, *, newest: str) -> None:
        super().__init__(
            f"{identity} has a later incarnation than {identity.incarnation}",
            hint="if this node is the real one, give it a new spool; if it is a clone, stop it",
        )
        self.identity = identity
        self.newest = newest


class SequenceGap(PeerError):
    """A record is missing before the ones that were sent."""

    def __init__(self, identity: ShardIdentity, *, expected: int, found: int) -> None:
        super().__init__(f"{identity} sent record {found} where {expected} was expected")
        self.identity = identity
        self.expected = expected
        self.found = found


def check_life(identity: ShardIdentity, *, newest: str) -> None:
    """Accept a shard's life unless a later one is known.

    Raises:
        Fenced: a later one is.
    """
    if identity.incarnation < newest:
        raise Fenced(identity, newest=newest)


def unseen(
    identity: ShardIdentity, records: Iterable[LogRecord], *, last_sequence: int
) -> list[LogRecord]:
    """Return the records that are new, in order.

    Args:
        identity: who sent them.
        records: what was sent.
        last_sequence: the last one that is durable.

    Raises:
        SequenceGap: one is missing; none may be taken.
    """
    fresh: list[LogRecord] = []
    for record in records:
        expected = last_sequence + len(fresh) + 1
        if record.sequence == expected:
            fresh.append(record)
        elif record.sequence > expected:
            raise SequenceGap(identity, expected=expected, found=record.sequence)
    return fresh


def flaw_of(record: LogRecord) -> str:
    """Return why nothing can be derived from a record; empty when something can."""
    if record.message_id and not is_ulid(record.message_id):
        return "its message id is no ULID"
    if len(record.fields) > FIELDS_BYTES_MAX:
        return f"its fields are longer than {FIELDS_BYTES_MAX} octets"
    return ""


def record_time_us(record: LogRecord) -> int:
    """Return a record's time, within the years that can be shown."""
    return whole_number(record.time_us, highest=TIME_US_MAX)


def new_message(record: LogRecord, identity: ShardIdentity) -> Message:
    """Return the message that a first record tells of, empty but for where it is."""
    return Message(
        id=record.message_id,
        node=identity.node,
        shard=identity.shard,
        received_us=record_time_us(record),
    )


def apply(
    message: Message,
    record: LogRecord,
    fields: Fields,
    *,
    identity: ShardIdentity,
    customer_of: CustomerOf,
) -> str:
    """Change ``message`` as a record tells; return a flaw, empty when there is none.

    Args:
        message: what is known so far.
        record: the next record of this message.
        fields: its fields.
        identity: who sent it; nobody may speak of another shard's message.
        customer_of: the customer of a domain, empty when it has none.
    """
    if (message.node, message.shard) != identity.place:
        return f"the message belongs to {message.node}/{message.shard}"
    try:
        event = Event(record.event)
    except ValueError:
        return ""  # another version's word: kept and shown, and nothing is derived from it
    return _Fold(message, record_time_us(record), fields, customer_of).apply(event)


class _Fold:
    """One record on its way into a message."""

    def __init__(
        self, message: Message, time_us: int, fields: Fields, customer_of: CustomerOf
    ) -> None:
        self._message = message
        self._time_us = time_us
        self._fields = fields
        self._customer_of = customer_of

    def apply(self, event: Event) -> str:
        match event:
            case Event.ACCEPTED | Event.REJECTED:  # what came is told alike
                self._accepted()
            case Event.SCANNED:
                self._scanned()
            case Event.WAITING:
                self._waiting()
            case Event.JUDGED:
                self._judged()
            case Event.ATTEMPTED:
                self._attempted()
            case Event.DEFERRED | Event.HELD | Event.FROZEN | Event.RESUMED | Event.DAMAGED:
                self._move(_MOVES[event])
            case Event.POSSIBLY_DELIVERED:
                self._possibly_delivered()
            case Event.ENDED:
                return self._ended()
            case Event.RELEASED:
                self._message.released_from = self._name("released_from")
            case (
                Event.BOUNCE_MADE
                | Event.BOUNCE_WITHHELD
                | Event.SPOOL_DAMAGED
                | Event.STARTED
                | Event.STOPPED
                | Event.PREFERENCES_APPLIED
                | Event.PREFERENCES_REFUSED
                | Event.NOT_ACCEPTING
                | Event.ACCEPTING
                | Event.GAP
            ):
                pass  # an event to read, which moves no copy
            case _:
                assert_never(event)
        return ""

    def _name(self, field: str) -> str:
        return self._fields.text(field, length_max=NAME_LENGTH_MAX)

    def _accepted(self) -> None:
        message, fields = self._message, self._fields
        message.received_us = self._time_us
        message.origin = fields.text("origin", length_max=LABEL_LENGTH_MAX) or "smtp"
        message.client = self._name("client")
        message.helo = self._name("helo")
        message.tls = self._name("tls")
        message.sender = self._name("sender")
        message.sender_folded = fold(message.sender) if "@" in message.sender else ""
        message.sender_domain = domain_of(message.sender) if "@" in message.sender else ""
        message.size = fields.number("size")
        message.sha256 = fields.text("sha256", length_max=LABEL_LENGTH_MAX)
        message.message_id_header = fields.text("message_id_header") or message.message_id_header
        message.subject = fields.text("subject") or message.subject
        message.released_from = self._name("released_from") or message.released_from
        for _, copy in self._named():
            if message.origin != "smtp" and copy.state == State.RECEIVED:
                copy.state = State.QUEUED  # what we made ourselves is not scanned

    def _scanned(self) -> None:
        message, fields = self._message, self._fields
        message.revision = fields.number("revision")
        message.score = fields.score("score")
        message.subject = fields.text("subject") or message.subject
        message.message_id_header = fields.text("message_id") or message.message_id_header
        self._take_threats()
        for copy in message.copies.values():
            if copy.state in {State.RECEIVED, State.WAITING}:
                copy.state = SCANNED

    def _waiting(self) -> None:
        self._take_threats()
        for copy in self._message.copies.values():
            if copy.state in _BEFORE_A_VERDICT:
                copy.state = State.WAITING
                copy.reason = self._fields.text("reason")
                copy.next_us = self._fields.time_us("next_us")

    def _take_threats(self) -> None:
        found = [
            (verdict.text("by", length_max=LABEL_LENGTH_MAX), name)
            for verdict in self._fields.items("verdicts")[:VERDICTS_MAX]
            for name in verdict.texts("threats", length_max=NAME_LENGTH_MAX)
        ]
        self._message.threats = set(found[:THREATS_MAX])

    def _judged(self) -> None:
        fields = self._fields
        self._message.quarantine_reason = fields.text(
            "quarantine_reason", length_max=LABEL_LENGTH_MAX
        )
        for item, copy in self._named():
            copy.disposition = item.text("disposition", length_max=LABEL_LENGTH_MAX)
            copy.reason = item.text("reason")
            if copy.disposition == "deliver" and not copy.ended_us:
                copy.state = State.QUEUED
                copy.next_us = 0

    def _attempted(self) -> None:
        for item, copy in self._named():
            copy.reply = item.text("reply")

    def _move(self, state: State) -> None:
        """Move the copies that a record names; all that have not ended when it names none."""
        named = self._named()
        if not named:
            named = [(self._fields, copy) for copy in self._message.copies.values()]
        for item, copy in named:
            if copy.ended_us:
                continue
            copy.state = state
            copy.reply = item.text("reply") or copy.reply
            copy.attempts = item.number("attempts") or copy.attempts
            copy.next_us = item.time_us("next_us")
            copy.reason = item.text("reason") or self._fields.text("reason") or copy.reason

    def _possibly_delivered(self) -> None:
        for _, copy in self._named():
            if copy.state in _BEFORE_A_TRY:
                copy.state = State.DEFERRED

    def _ended(self) -> str:
        flaw = ""
        for item, copy in self._named():
            outcome = item.text("outcome", length_max=LABEL_LENGTH_MAX)
            if outcome not in OUTCOMES:
                flaw = f"{outcome[:40]!r} is no outcome"
            elif copy.ended_us:
                # Exactly one outcome: a second one is a fault to look at, not a new state.
                flaw = f"{copy.address[:80]} had ended as {copy.state}"
            else:
                self._end(copy, item, outcome)
        return flaw

    def _end(self, copy: RecipientCopy, item: Fields, outcome: str) -> None:
        copy.state = outcome
        copy.reason = item.text("reason") or copy.reason
        copy.reply = item.text("reply") or copy.reply
        copy.attempts = item.number("attempts") or copy.attempts
        copy.next_us = 0
        copy.ended_us = max(self._time_us, 1)

    def _named(self) -> list[tuple[Fields, RecipientCopy]]:
        """Return the recipients that a record names, with what it says of each, and its copy."""
        bare = self._fields.texts("recipients", length_max=NAME_LENGTH_MAX)
        told = [(item, self._address(item)) for item in self._fields.items("recipients")]
        told += [(Fields({}), address) for address in bare]
        return [(item, self._copy(address)) for item, address in told if address]

    def _address(self, item: Fields) -> str:
        return item.text("address", length_max=NAME_LENGTH_MAX)

    def _copy(self, address: str) -> RecipientCopy:
        """Return a recipient's copy; one that no earlier record named begins here."""
        copies = self._message.copies
        if address not in copies:
            domain = domain_of(address) if "@" in address else ""
            copies[address] = RecipientCopy(
                address=address,
                place=len(copies),
                folded=fold(address) if "@" in address else address.casefold(),
                domain=domain,
                customer=self._customer_of(domain) if domain else "",
            )
        return copies[address]
