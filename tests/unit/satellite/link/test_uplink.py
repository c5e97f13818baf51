"""Nothing is deleted before the core has it, and nothing holds up what comes after it."""

from __future__ import annotations

from common.envelope import Envelope
from common.ids import MessageId, ulid
from common.link import NotTaken, Taken, Unreadable, Wanted
from common.records import LogRecord
from satellite.link.uplink import (
    BATCH_BYTES_MAX,
    BATCH_RECORDS_MAX,
    BODY_TRIES_MAX,
    OPEN_CASES_MAX,
    Discard,
    ListUploads,
    QuarantineUplink,
    SendBody,
    SendCase,
    SetUploadAside,
    Unsendable,
    UploadsGrown,
    UploadsListed,
    UploadsOpened,
    batches,
    case_of,
)
from satellite.spool.model.messages import Copy, Origin, Stored, Upload

AGAIN = ListUploads(OPEN_CASES_MAX)


def message_id(number: int) -> MessageId:
    return MessageId(ulid(now_us=0, randomness=number.to_bytes(10, "big")))


def upload(number: int, size: int = 10) -> Upload:
    message = Stored(
        id=message_id(number),
        origin=Origin.SMTP,
        envelope=Envelope(
            client_address="192.0.2.7", helo="h", sender="a@b.example", recipients=("x@y.example",)
        ),
        received_us=1,
        age_us=1,
        size=size,
        sha256=bytes(32),
        trace=b"",
        revision=1,
        subject="hi",
        scans=1,
        recipients=(),
        copies=(),
        in_file=False,
    )
    return Upload(
        message=message,
        quarantined_us=2,
        recipients=("x@y.example",),
        reason="virus",
        detail="Eicar",
        copy=Copy(head=b"H\r\n", skip=3),
    )


def test_a_case_says_what_the_copy_that_is_delivered_later_needs() -> None:
    case = case_of(upload(1))

    assert (case.message_id, case.head, case.skip, case.recipients) == (
        message_id(1),
        b"H\r\n",
        3,
        ("x@y.example",),
    )


def test_records_are_cut_by_number_and_by_size_and_none_is_left_out() -> None:
    small = [LogRecord(n, 0, "e", "", b"{}") for n in range(1, 1201)]
    large = [LogRecord(n, 0, "e", "", bytes(60_000)) for n in range(1, 11)]

    assert [len(batch) for batch in batches(small)] == [500, 500, 200]
    cut = list(batches(large))
    assert [record for batch in cut for record in batch] == large
    assert all(sum(len(r.fields) for r in batch) <= BATCH_BYTES_MAX for batch in cut)
    assert BATCH_RECORDS_MAX == 500


def test_a_record_as_large_as_they_come_fits_a_batch() -> None:
    (batch,) = batches([LogRecord(1, 0, "e", "", bytes(65_536))])

    assert len(batch) == 1


def test_a_message_is_discarded_only_when_the_core_has_it() -> None:
    uplink = QuarantineUplink()
    one = upload(1)

    assert uplink.handle(UploadsOpened()) == [AGAIN]
    assert uplink.handle(UploadsListed((one,))) == [SendCase(one)]
    assert uplink.handle(Wanted(one.message.id, 4)) == [SendBody(one, 4)]
    assert uplink.handle(Taken(one.message.id)) == [Discard(one.message.id), AGAIN]


def test_a_cut_begins_anew_with_the_case() -> None:
    uplink = QuarantineUplink()
    one = upload(1)
    uplink.handle(UploadsOpened())
    uplink.handle(UploadsListed((one,)))

    assert uplink.handle(UploadsOpened()) == [AGAIN]
    assert uplink.handle(UploadsListed((one,))) == [SendCase(one)]


def test_a_word_about_a_message_that_was_not_offered_deletes_nothing() -> None:
    uplink = QuarantineUplink()
    uplink.handle(UploadsOpened())

    assert uplink.handle(Taken(message_id(9))) == []
    assert uplink.handle(Wanted(message_id(9), 0)) == []
    assert uplink.handle(Unreadable(reason="later")) == []


def test_a_refused_message_stays_here_and_the_next_one_goes_up() -> None:
    uplink = QuarantineUplink()
    one, two = upload(1), upload(2)
    uplink.handle(UploadsOpened())
    uplink.handle(UploadsListed((one,)))

    commands = uplink.handle(NotTaken(one.message.id, "too large"))

    assert commands == [
        SetUploadAside(one.message.id, "too large"),
        ListUploads(OPEN_CASES_MAX),
    ]
    assert uplink.handle(UploadsListed((two,))) == [SendCase(two)]


def test_a_body_that_cannot_be_read_stays_here() -> None:
    uplink = QuarantineUplink()
    one = upload(1)
    uplink.handle(UploadsOpened())
    uplink.handle(UploadsListed((one,)))

    commands = uplink.handle(Unsendable(one.message.id, "gone"))

    assert commands[0] == SetUploadAside(one.message.id, "gone")
    assert not any(isinstance(command, Discard) for command in commands)


def test_only_so_many_are_under_way() -> None:
    uplink = QuarantineUplink()
    uplink.handle(UploadsOpened())

    commands = uplink.handle(UploadsListed(tuple(upload(n) for n in range(1, 20))))

    assert len(commands) == OPEN_CASES_MAX
    assert uplink.handle(UploadsGrown()) == []


def test_a_core_that_wants_the_same_body_for_ever_gets_an_end() -> None:
    uplink = QuarantineUplink()
    one = upload(1)
    uplink.handle(UploadsOpened())
    uplink.handle(UploadsListed((one,)))
    for _ in range(BODY_TRIES_MAX):
        assert uplink.handle(Wanted(one.message.id, 0)) == [SendBody(one, 0)]

    (complaint, *_) = uplink.handle(Wanted(one.message.id, 0))

    assert isinstance(complaint, SetUploadAside)


def test_an_offset_beyond_the_end_is_not_sent() -> None:
    uplink = QuarantineUplink()
    one = upload(1, size=10)
    uplink.handle(UploadsOpened())
    uplink.handle(UploadsListed((one,)))

    assert uplink.handle(Wanted(one.message.id, 10)) == [SendBody(one, 10)]
    (complaint, *_) = uplink.handle(Wanted(one.message.id, 11))
    assert isinstance(complaint, SetUploadAside)
