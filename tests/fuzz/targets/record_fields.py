"""Can the core take any record of a satellite, and is what it keeps of it bounded?

Pure. The first octet says which event it is; the others are its fields.
"""

from __future__ import annotations

from common.identity import ShardIdentity
from common.records import (
    FIELDS_BYTES_MAX,
    AnyRecord,
    AnyVerdict,
    Event,
    LogRecord,
    OtherRecord,
    ScannedRecord,
    WaitingRecord,
)
from common.records.bounds import LABEL_LENGTH_MAX, LINE_LENGTH_MAX, NAME_LENGTH_MAX
from common.records.reading import FieldsUnreadable, read
from common.records.writing import written
from common.verdict import THREAT_LENGTH_MAX
from core.records import intake
from core.records.looks import COMPARED_MAX, MS_MAX, LookCounts, bucket_of, day_of
from core.records.reports import DAY_US

WORDS = (
    b'"recipients":[', b'{"address":"x@acme.example"', b'"outcome":"delivered"', b'"verdicts":[',
    b'"threats":["', b'"next_us":', b'"score":', b"1e999", b"NaN", b"\\ud800", b"null", b"[[[[",
    b'{"by":"nod32","outcome":"infected"', b'"outcome":"scored"', b'"ms":', b"9223372036854775808",
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
    if isinstance(record, ScannedRecord | WaitingRecord):
        _check_counts(record.verdicts, intake.record_time_us(told))


def _check_counts(verdicts: tuple[AnyVerdict, ...], time_us: int) -> None:
    """What is counted of a look has few rows, each of which a database takes."""
    today = 20_454
    day = day_of(time_us, now_us=today * DAY_US)
    assert abs(day - today) <= 60
    counts = LookCounts()
    counts.add(verdicts, day=day, counts_finds=True)
    assert counts.answers.total() <= len(verdicts)
    assert len(counts.pairs) <= (COMPARED_MAX + 1) ** 2
    assert all(0 <= bucket <= bucket_of(MS_MAX) for _, _, bucket in counts.times)
    for _, engine, outcome in counts.answers:
        _check_text(engine, LABEL_LENGTH_MAX)
        _check_text(outcome, LABEL_LENGTH_MAX)
    for _, _, threat in counts.alone:
        _check_text(threat, THREAT_LENGTH_MAX)


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
