"""Can the core take any record of a satellite, and is what it keeps of it bounded?

Pure. The first octet says which event it is; the others are its fields.
"""

from __future__ import annotations

from common.identity import ShardIdentity
from common.records import FIELDS_BYTES_MAX, AnyRecord, Event, LogRecord, OtherRecord
from common.records.bounds import LINE_LENGTH_MAX, NAME_LENGTH_MAX
from common.records.reading import FieldsUnreadable, read
from common.records.writing import written
from core.records import intake

WORDS = (
    b'"recipients":[', b'{"address":"x@acme.example"', b'"outcome":"delivered"', b'"verdicts":[',
    b'"threats":["', b'"next_us":', b'"score":', b"1e999", b"NaN", b"\\ud800", b"null", b"[[[[",
    b'"subject":"', b'"origin":"bounce"', b"-0.0", b"\\u0000",
)  # fmt: skip
ULID = "01KDVDNA000000000000000001"
WHO = ShardIdentity("lon1", 0, ULID)


def target(data: bytes) -> None:
    """Take a record of a message that is known, as the core does."""
    if not data:
        return
    events = list(Event)
    event = events[data[0] % len(events)]
    told = LogRecord(1, int.from_bytes(data[:8], "big"), event, ULID, data[1:])
    try:
        record = read(told.event, told.fields)
    except FieldsUnreadable:
        return
    _check_round_trip(record)
    message = intake.new_message(told, WHO)
    for _ in range(2):  # a record may come of something that has ended
        flaw = intake.apply(
            message, told, record, identity=WHO, customer_of=lambda domain: domain[:1]
        )
        assert len(flaw) < 2_000
    for text in (message.subject, message.sender, message.message_id_header):
        _check_text(text, LINE_LENGTH_MAX)
    for copy in message.copies.values():
        _check_text(copy.address, NAME_LENGTH_MAX)
        _check_text(copy.reason, LINE_LENGTH_MAX)
        _check_text(copy.reply, LINE_LENGTH_MAX)
        assert 0 <= copy.attempts < 1 << 63
        assert 0 <= copy.next_us < 1 << 63
    assert 0 <= message.size < 1 << 63
    assert abs(message.score) < 1e9


def _check_round_trip(record: AnyRecord) -> None:
    """What a node of this version would write of it reads the same again."""
    assert not isinstance(record, OtherRecord)
    parts = written(record)
    for part in parts:
        assert len(part) <= FIELDS_BYTES_MAX
        again = read(record.event, part)
        assert len(parts) > 1 or b'"shortened":true' in part or again == record


def _check_text(text: str, length_max: int) -> None:
    assert len(text) <= length_max
    assert "\0" not in text, "PostgreSQL keeps none"
    text.encode("utf-8")
