"""Which records are new, and what do they change?

Pure. Each position counts once: a repeat has no effect, and a hole is refused. Whatever a record
holds, it is kept; what cannot be read or is not its sender's to say changes nothing and gets a
flaw. Who may speak at all says ``core.records.lives``.

Source: docs/design/link-guarantees.md, U1, U5; promises P1, P7, P9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

from common.address import domain_of, fold
from common.errors import PeerError
from common.identity import ShardIdentity
from common.ids import is_ulid
from common.message_bounds import MESSAGE_RECIPIENTS_MAX
from common.records import (
    FIELDS_BYTES_MAX,
    AcceptedRecord,
    AcceptingRecord,
    AnyRecord,
    AnyVerdict,
    ArrivedRecord,
    AttemptedRecord,
    BounceMadeRecord,
    BounceWithheldRecord,
    CondemnedRecord,
    DamagedRecord,
    DeferredRecord,
    EndedRecipient,
    EndedRecord,
    Event,
    FieldsUnreadable,
    FrozenRecord,
    GapRecord,
    HeldRecord,
    JudgedRecord,
    LogRecord,
    MovedRecipient,
    MovedRecord,
    NotAcceptingRecord,
    OtherRecord,
    PossiblyDeliveredRecord,
    PreferencesAppliedRecord,
    PreferencesDamagedRecord,
    PreferencesRefusedRecord,
    RefusedRecord,
    RejectedRecord,
    ReleasedRecord,
    ResumedRecord,
    ScannedRecord,
    SpoolDamagedRecord,
    StartedRecord,
    StoppedRecord,
    TlsResultsRecord,
    WaitingRecord,
    read,
)
from common.records.bounds import TIME_US_MAX, whole_number
from common.states import OUTCOMES, State
from core.records.lost import LOST
from core.records.messages import Message, RecipientCopy

COPIES_MAX = MESSAGE_RECIPIENTS_MAX + 100  # rows of one message: no honest one comes near
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


class SequenceGap(PeerError):
    """A record is missing before the ones that were sent."""

    def __init__(self, identity: ShardIdentity, *, expected: int, found: int) -> None:
        super().__init__(f"{identity} sent record {found} where {expected} was expected")
        self.identity = identity
        self.expected = expected
        self.found = found


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
    expected = last_sequence + 1
    for record in records:
        if record.sequence < expected:
            continue
        if record.sequence > expected and first_told(record) > expected:
            raise SequenceGap(identity, expected=expected, found=record.sequence)
        fresh.append(record)
        expected = record.sequence + 1
    return fresh


def first_told(record: LogRecord) -> int:
    """Return from which sequence on a record tells what became of its shard's records.

    That is its own, but for a gap record: it may stand in the place of all that its shard had to
    let go, and has the sequence of the last of them.
    """
    if record.event != Event.GAP:
        return record.sequence
    try:
        told = read(record.event, record.fields)
    except FieldsUnreadable:
        return record.sequence
    if isinstance(told, GapRecord) and 0 < told.first < told.last == record.sequence:
        return told.first
    return record.sequence


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
    told: LogRecord,
    record: AnyRecord,
    *,
    identity: ShardIdentity,
    customer_of: CustomerOf,
) -> str:
    """Change ``message`` as a record tells; return a flaw, empty when there is none.

    Args:
        message: what is known so far.
        told: the next record of this message.
        record: what it says.
        identity: who sent it; nobody may speak of another shard's message.
        customer_of: the customer of a domain, empty when it has none.
    """
    if (message.node, message.shard) != identity.place:
        return f"the message belongs to {message.node}/{message.shard}"
    for copy in message.copies.values():
        if copy.state == LOST:  # a spool tells of it after all
            copy.state, copy.reason, copy.ended_us = State.RECEIVED, "", 0
    step = _Fold(message, record_time_us(told), customer_of)
    return step.apply(record) or step.too_many


class _Fold:
    """One record on its way into a message."""

    def __init__(self, message: Message, time_us: int, customer_of: CustomerOf) -> None:
        self._message = message
        self._time_us = time_us
        self._customer_of = customer_of
        self.too_many = ""  # a flaw: it names recipients beyond what a message may have

    def apply(self, record: AnyRecord) -> str:
        match record:
            case AcceptedRecord() | RejectedRecord():  # what came is told alike
                self._arrived(record)
            case ScannedRecord():
                self._scanned(record)
            case EndedRecord():
                return self._ended(record)
            case WaitingRecord():
                self._waiting(record)
            case JudgedRecord():
                self._judged(record)
            case AttemptedRecord():
                self._attempted(record)
            case (
                DeferredRecord() | HeldRecord() | FrozenRecord() | ResumedRecord() | DamagedRecord()
            ):
                self._move(record, _MOVES[record.event])
            case PossiblyDeliveredRecord():
                self._possibly_delivered(record)
            case ReleasedRecord():
                self._message.released_from = record.released_from
            case (
                BounceMadeRecord()
                | BounceWithheldRecord()
                | CondemnedRecord()  # moves no copy; see core.store.late_rows
                | SpoolDamagedRecord()
                | StartedRecord()
                | StoppedRecord()
                | PreferencesAppliedRecord()
                | PreferencesRefusedRecord()
                | PreferencesDamagedRecord()
                | NotAcceptingRecord()
                | AcceptingRecord()
                | TlsResultsRecord()
                | GapRecord()
                | RefusedRecord()
            ):
                pass  # an event to read, which moves no copy
            case OtherRecord():
                pass  # another version's word: kept and shown, and nothing is derived from it
            case _:
                assert_never(record)
        return ""

    def _arrived(self, record: ArrivedRecord) -> None:
        message = self._message
        message.received_us = self._time_us
        message.origin = record.origin or "smtp"
        message.client = record.client
        message.helo = record.helo
        message.tls = record.tls
        message.sender = record.sender
        message.sender_folded = fold(message.sender) if "@" in message.sender else ""
        message.sender_domain = domain_of(message.sender) if "@" in message.sender else ""
        message.size = record.size
        message.sha256 = record.sha256
        message.subject = record.subject or message.subject
        message.released_from = record.released_from or message.released_from
        for address in record.recipients:
            copy = self._copy(address)
            if message.origin != "smtp" and copy.state == State.RECEIVED:
                copy.state = State.QUEUED  # what we made ourselves is not scanned

    def _scanned(self, record: ScannedRecord) -> None:
        message = self._message
        message.revision = record.revision
        message.score = record.score
        message.subject = record.subject or message.subject
        message.message_id_header = record.message_id_header or message.message_id_header
        self._take_threats(record.verdicts)
        for copy in message.copies.values():
            if copy.state in {State.RECEIVED, State.WAITING}:
                copy.state = SCANNED

    def _waiting(self, record: WaitingRecord) -> None:
        message = self._message
        if record.verdicts:
            self._take_threats(record.verdicts)
        message.subject = record.subject or message.subject
        message.message_id_header = record.message_id_header or message.message_id_header
        named = set(record.recipients)
        for copy in message.copies.values():
            if copy.state in _BEFORE_A_VERDICT and (not named or copy.address in named):
                copy.state = State.WAITING
                copy.reason = record.reason
                copy.next_us = record.next_us

    def _take_threats(self, verdicts: Sequence[AnyVerdict]) -> None:
        found = [(verdict.by, name) for verdict in verdicts for name in verdict.threats]
        self._message.threats = set(found[:THREATS_MAX])

    def _judged(self, record: JudgedRecord) -> None:
        self._message.quarantine_reason = record.quarantine_reason
        for told in record.recipients:
            copy = self._copy(told.address)
            copy.disposition = told.disposition
            copy.reason = told.reason
            if copy.disposition == "deliver" and not copy.ended_us:
                copy.state = State.QUEUED
                copy.next_us = 0

    def _attempted(self, record: AttemptedRecord) -> None:
        for told in record.recipients:
            self._copy(told.address).reply = told.reply

    def _move(self, record: MovedRecord, state: State) -> None:
        """Move the copies that a record names; all that have not ended when it names none."""
        named = [(told, self._copy(told.address)) for told in record.recipients]
        if not named:
            named = [
                (MovedRecipient(address=copy.address), copy)
                for copy in self._message.copies.values()
            ]
        for told, copy in named:
            if copy.ended_us:
                continue
            copy.state = state
            copy.reply = told.reply or copy.reply
            copy.attempts = told.attempts or copy.attempts
            copy.next_us = told.next_us
            copy.reason = told.reason or record.reason or copy.reason

    def _possibly_delivered(self, record: PossiblyDeliveredRecord) -> None:
        for address in record.recipients:
            copy = self._copy(address)
            if copy.state in _BEFORE_A_TRY:
                copy.state = State.DEFERRED

    def _ended(self, record: EndedRecord) -> str:
        flaw = ""
        for told in record.recipients:
            copy = self._copy(told.address)
            if told.outcome not in OUTCOMES:
                flaw = f"{told.outcome[:40]!r} is no outcome"
            elif copy.ended_us:
                # Exactly one outcome: a second one is a fault to look at, not a new state.
                flaw = f"{copy.address[:80]} had ended as {copy.state}"
            else:
                self._end(copy, told)
        return flaw

    def _end(self, copy: RecipientCopy, told: EndedRecipient) -> None:
        copy.state = told.outcome
        copy.reason = told.reason or copy.reason
        copy.reply = told.reply or copy.reply
        copy.attempts = told.attempts or copy.attempts
        copy.next_us = 0
        copy.ended_us = max(self._time_us, 1)

    def _copy(self, address: str) -> RecipientCopy:
        """Return a recipient's copy; one that no earlier record named begins here."""
        copies = self._message.copies
        if address in copies:
            return copies[address]
        domain = domain_of(address) if "@" in address else ""
        copy = RecipientCopy(
            address=address,
            place=len(copies),
            folded=fold(address) if "@" in address else address.casefold(),
            domain=domain,
            customer=self._customer_of(domain) if domain else "",
        )
        if len(copies) < COPIES_MAX:
            copies[address] = copy
        else:
            self.too_many = f"recipients beyond {COPIES_MAX} of one message are left out"
        return copy
