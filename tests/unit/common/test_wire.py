"""What goes through protobuf comes back the same, and what breaks a bound does not pass."""

from __future__ import annotations

from typing import Any

import pytest
from borderscout.v1 import control_pb2, preferences_pb2, quarantine_pb2, records_pb2
from google.protobuf.message import Message

from common import link, wire
from common.chain import ChainPoint
from common.identity import LifeOrigin, ShardIdentity
from common.preferences import Document, Epoch, Position
from common.records import LogRecord
from common.reports import (
    DefinitionsReport,
    DefinitionsState,
    EngineReport,
    FilterReport,
    HoldReport,
    NodeReport,
    PreferenceProblem,
)
from common.wire import WireError, bounds

ULID = "01KDVDNA000000000000000001"
WHO = ShardIdentity("lon1", 0, ULID)
PLACE = Position(Epoch(3, "11111111-1111-4111-8111-111111111111"), 42)
DIGEST = bytes(range(32))
STANDING = link.CoreStanding(position=PLACE, digest=DIGEST, life="0f" * 16)
CASE = link.Case(
    message_id=ULID,
    quarantined_us=5,
    sender="ä@example.net",
    recipients=("x@acme.example", "y@acme.example"),
    reason="virus",
    detail="Eicar",
    sha256=DIGEST,
    size=7,
    subject="Grüße",
    client_address="2001:db8::1",
    head=b"X-BorderScout: id=1\r\n",
    skip=2,
    smtputf8=True,
    eight_bit=True,
)


def hold(destination: str, *, since_us: int = 1, expires_us: int = 5) -> HoldReport:
    return HoldReport(
        customer="acme",
        destination=destination,
        since_us=since_us,
        reason="refused",
        messages=2,
        bytes=3,
        oldest_us=4,
        expires_us=expires_us,
    )


def unknown_field(message: Message) -> bytes:
    """What a later version sends: the same, and field 99 with the number 1."""
    return message.SerializeToString() + bytes([0x98, 0x06, 0x01])


@pytest.mark.parametrize(
    "request_",
    [
        link.Hello(identity=WHO, shards=2, version="0.1.0"),
        NodeReport(),
        NodeReport(
            spool={"held": 2},
            engines=(
                EngineReport(
                    name="clamav",
                    answering=True,
                    version="1.4",
                    detail="x",
                    definitions="2",
                    definitions_us=5,
                ),
            ),
            holds=(hold("acme.example"),),
            accepting=True,
            not_accepting_reason="",
            oldest_us=9,
            problems=("one",),
            reached=("acme.example", "[2001:db8::1]:25"),
            definitions=(
                DefinitionsReport(
                    family="clamav",
                    serial=3,
                    offered=4,
                    state=DefinitionsState.WAITING,
                    detail="for its turn",
                    version="1.4/3",
                    made_us=8,
                ),
            ),
            time_us=1,
            applied=PLACE,
            refused=PreferenceProblem(revision=43, kind="rule", key="r", reason="bad"),
            outbox_records=6,
            outbox_quarantine=7,
            core_refused="it lost changes",
        ),
    ],
)
def test_what_a_satellite_says_on_control_comes_back(request_: link.Hello | NodeReport) -> None:
    sent = wire.control_request_to_wire(request_)

    assert wire.control_request_from_wire(sent) == request_


@pytest.mark.parametrize(
    "response",
    [
        link.Welcome("core", 5),
        link.Welcome("core", 5, STANDING),
        link.ReleaseOffer(ULID, ULID),
        link.Flush("acme.example"),
        link.Flush(""),
        link.SettingsOrder("a" * 64, 60),
        link.DrainOrder(True),
        link.DrainOrder(False),
        link.Hint("acme.example"),
        link.DefinitionsOffer(family="clamav", serial=4, sha256=DIGEST, may_load=True, port=8444),
        link.DefinitionsOffer(family="clamav", serial=4, sha256=DIGEST, may_load=False),
    ],
)
def test_what_the_core_says_on_control_comes_back(response: Any) -> None:
    sent = wire.control_response_to_wire(response)

    assert wire.control_response_from_wire(sent) == response


@pytest.mark.parametrize(
    "request_",
    [
        link.PreferencesHello(identity=WHO, applied=PLACE, digest=DIGEST),
        link.Answer(nonce="1", applied=PLACE, digest=DIGEST),
        link.Answer(
            nonce="1",
            applied=PLACE,
            digest=DIGEST,
            refusal=link.LinkRefusal(reason="bad", kind="rule", key="r", wants_snapshot=True),
        ),
    ],
)
def test_what_a_satellite_says_on_preferences_comes_back(request_: Any) -> None:
    sent = wire.preferences_request_to_wire(request_)

    assert wire.preferences_request_from_wire(sent) == request_


@pytest.mark.parametrize(
    "response",
    [
        link.Bookmark(position=PLACE, time_us=7),
        link.Batch(
            nonce="1",
            base=PLACE,
            target=PLACE,
            documents=(Document("route", "a.example", 42, b"{}"), Document("x", "y", 1, b"", True)),
            snapshot=False,
            last_part=True,
            digest=DIGEST,
        ),
        link.Batch(
            nonce="2",
            base=None,
            target=PLACE,
            documents=(),
            snapshot=True,
            last_part=False,
            digest=DIGEST,
        ),
    ],
)
def test_what_the_core_says_on_preferences_comes_back(response: Any) -> None:
    sent = wire.preferences_response_to_wire(response)

    assert wire.preferences_response_from_wire(sent) == response


def test_records_come_back_with_an_event_that_nobody_knows() -> None:
    records = link.Records((LogRecord(4, 1, "of-a-later-version", ULID, b'{"a":1}'),), WHO)

    assert wire.records_from_wire(wire.records_to_wire(records)) == records


@pytest.mark.parametrize(
    "request_", [WHO, CASE, link.Chunk(message_id=ULID, offset=9, data=b"abc", last=True)]
)
def test_what_a_satellite_says_on_quarantine_comes_back(request_: Any) -> None:
    sent = wire.quarantine_request_to_wire(request_)

    assert wire.quarantine_request_from_wire(sent) == request_


@pytest.mark.parametrize(
    "response", [link.Wanted(ULID, 0), link.Taken(ULID), link.NotTaken(ULID, "no")]
)
def test_what_the_core_says_on_quarantine_comes_back(response: Any) -> None:
    sent = wire.quarantine_response_to_wire(response)

    assert wire.quarantine_response_from_wire(sent) == response


@pytest.mark.parametrize(
    "claim",
    [
        link.Claim(granted=False, reason="somebody else"),
        link.Claim(
            granted=True,
            message_id=ULID,
            sender="",
            recipients=("x@acme.example",),
            sha256=DIGEST,
            size=3,
            head=b"X: 1\r\n",
            skip=1,
            smtputf8=True,
            eight_bit=True,
            subject="hi",
        ),
    ],
)
def test_the_answer_to_a_claim_comes_back(claim: link.Claim) -> None:
    assert wire.claim_from_wire(wire.claim_to_wire(claim)) == claim


# --- another version ----------------------------------------------------------------------------


def test_a_message_of_a_later_kind_is_unreadable_on_every_stream() -> None:
    later = bytes([0xFA, 0x06, 0x00])  # field 111, empty: a oneof's member of another version

    heard: list[object] = [
        wire.control_request_from_wire(control_pb2.ControlRequest.FromString(later)),
        wire.control_response_from_wire(control_pb2.ControlResponse.FromString(later)),
        wire.preferences_request_from_wire(preferences_pb2.PreferencesRequest.FromString(later)),
        wire.preferences_response_from_wire(preferences_pb2.PreferencesResponse.FromString(later)),
        wire.quarantine_request_from_wire(quarantine_pb2.QuarantineRequest.FromString(later)),
        wire.quarantine_response_from_wire(quarantine_pb2.QuarantineResponse.FromString(later)),
    ]

    assert all(isinstance(message, link.Unreadable) for message in heard)


def batch_message() -> preferences_pb2.PreferencesResponse:
    return wire.preferences_response_to_wire(
        link.Batch(
            nonce="7",
            base=None,
            target=PLACE,
            documents=(Document("route", "a.example", 42, b"{}"),),
            snapshot=True,
            last_part=True,
            digest=DIGEST,
        )
    )


def test_a_document_with_an_unknown_field_makes_its_batch_unreadable_with_its_nonce() -> None:
    message = batch_message()
    later = preferences_pb2.Document.FromString(unknown_field(message.batch.documents[0]))
    message.batch.documents[0].CopyFrom(later)

    heard = wire.preferences_response_from_wire(message)

    assert isinstance(heard, link.Unreadable)
    assert heard.nonce == "7"


def test_a_batch_with_an_unknown_field_is_unreadable() -> None:
    message = batch_message()
    message.batch.CopyFrom(
        preferences_pb2.PreferencesBatch.FromString(unknown_field(message.batch))
    )

    assert isinstance(wire.preferences_response_from_wire(message), link.Unreadable)


def test_an_unknown_field_elsewhere_is_left_out() -> None:
    hello = link.Hello(identity=WHO, shards=1, version="9")
    inner = control_pb2.Hello.FromString(unknown_field(wire.control_request_to_wire(hello).hello))

    assert wire.control_request_from_wire(control_pb2.ControlRequest(hello=inner)) == hello


def test_a_later_protocol_is_spoken_with_in_ours() -> None:
    hello = link.Hello(identity=WHO, shards=1, version="9", protocol_version=2)

    assert wire.control_request_from_wire(wire.control_request_to_wire(hello)) == hello


# --- bounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "identity",
    [
        ShardIdentity("../etc", 0, ULID),
        ShardIdentity("lon1", 64, ULID),
        ShardIdentity("lon1", 0, "latest"),
        ShardIdentity("", 0, ULID),
    ],
)
def test_an_identity_that_is_none_is_refused(identity: ShardIdentity) -> None:
    with pytest.raises(WireError):
        wire.identity_from_wire(wire.identity_to_wire(identity))


def test_records_with_a_hole_are_refused() -> None:
    records = link.Records((LogRecord(4, 1, "a", "", b""), LogRecord(6, 1, "a", "", b"")))

    with pytest.raises(WireError, match="follows"):
        wire.records_from_wire(wire.records_to_wire(records))


def test_a_record_that_is_wrong_otherwise_does_not_block_the_stream() -> None:
    # One record with a bad id was refused here, and no later one of that shard ever arrived.
    message = records_pb2.RecordsRequest()
    message.records.add(sequence=1, event="x" * 300, message_id="no\nULID", fields=b"not json")

    (record,) = wire.records_from_wire(message).records

    assert (record.sequence, len(record.event), record.message_id) == (1, 64, "no?ULID")


@pytest.mark.parametrize(
    "chunk",
    [
        link.Chunk(message_id=ULID, offset=0, data=bytes(link.CHUNK_BYTES_MAX + 1), last=True),
        link.Chunk(message_id="../../etc/passwd", offset=0, data=b"", last=True),
    ],
)
def test_a_chunk_beyond_its_bounds_is_refused(chunk: link.Chunk) -> None:
    with pytest.raises(WireError):
        wire.chunk_from_wire(wire.chunk_to_wire(chunk))


def test_a_life_tells_how_it_began_and_a_chain_where_it_is() -> None:
    born = ShardIdentity("lon1", 0, ULID, run=ULID, origin=LifeOrigin(former=ULID, carried=7))
    empty = ShardIdentity("lon1", 0, ULID, run=ULID, origin=LifeOrigin(former=""))
    hello = link.Records((), born, chain=ChainPoint(3, DIGEST[:16]), last_sequence=9)
    taken = link.RecordsTaken(4, DIGEST[:16], forked="another copy of this spool has spoken")

    again = wire.records_from_wire(wire.records_to_wire(hello))

    assert again == hello
    assert again.identity is not None
    assert (again.identity.run, again.identity.origin) == (born.run, born.origin)
    assert wire.identity_from_wire(wire.identity_to_wire(empty)).origin == empty.origin
    assert wire.identity_from_wire(wire.identity_to_wire(WHO)).origin is None
    assert wire.taken_from_wire(wire.taken_to_wire(taken)) == taken


@pytest.mark.parametrize("digest", [DIGEST, b"x"])
def test_a_chain_that_is_none_is_refused(digest: bytes) -> None:
    with pytest.raises(WireError):
        wire.taken_from_wire(records_pb2.RecordsResponse(chain=digest))
    with pytest.raises(WireError):
        wire.records_from_wire(
            records_pb2.RecordsRequest(chain=records_pb2.ChainPoint(digest=digest))
        )


@pytest.mark.parametrize(
    "who",
    [
        ShardIdentity("lon1", 0, ULID, run="../../x"),
        ShardIdentity("lon1", 0, ULID, origin=LifeOrigin(former="a life")),
        ShardIdentity("lon1", 0, ULID, origin=LifeOrigin(former="", carried=1 << 63)),
    ],
)
def test_a_run_or_a_former_life_that_is_no_ulid_is_refused(who: ShardIdentity) -> None:
    with pytest.raises(WireError):
        wire.identity_from_wire(wire.identity_to_wire(who))


def test_numbers_that_no_database_holds_are_refused() -> None:
    with pytest.raises(WireError):
        wire.taken_from_wire(records_pb2.RecordsResponse(durable_sequence=1 << 63))


def test_an_address_with_a_line_break_is_refused() -> None:
    message = wire.quarantine_request_to_wire(CASE)
    message.opened.sender = "a@b\r\nX: y"

    with pytest.raises(WireError):
        wire.quarantine_request_from_wire(message)


def test_text_that_is_only_shown_is_cut_and_cleaned_not_refused() -> None:
    message = wire.quarantine_request_to_wire(CASE)
    message.opened.subject = "a\x1b[31m" + "x" * 5000

    case = wire.quarantine_request_from_wire(message)

    assert isinstance(case, link.Case)
    assert case.subject.startswith("a?[31m")
    assert len(case.subject) == bounds.TEXT_LENGTH_MAX


def test_a_snapshot_with_a_base_and_a_delta_without_one_are_refused() -> None:
    message = batch_message()
    message.batch.snapshot = False

    with pytest.raises(WireError):
        wire.preferences_response_from_wire(message)


def test_a_report_says_at_most_what_its_reader_takes() -> None:
    report = NodeReport(
        problems=tuple("p" * 3000 for _ in range(100)),
        engines=tuple(EngineReport(name=str(n), answering=True) for n in range(200)),
        holds=tuple(hold(f"{n}.example") for n in range(2000)),
        reached=tuple("r" * 3000 for _ in range(1000)),
        definitions=tuple(
            DefinitionsReport(family=f"f{n}", state=DefinitionsState.FAILED, detail="d" * 3000)
            for n in range(100)
        ),
    )

    heard = wire.control_request_from_wire(wire.control_request_to_wire(report))

    assert isinstance(heard, NodeReport)
    assert len(heard.problems) == bounds.PROBLEMS_MAX
    assert len(heard.engines) == bounds.ENGINES_MAX
    assert len(heard.holds) == bounds.HOLDS_MAX
    assert heard.problems[0] == "1000 destinations are away beyond the 1000 that are told of"
    assert len(heard.reached) == bounds.REACHED_MAX
    assert len(heard.definitions) == bounds.FAMILIES_MAX


@pytest.mark.parametrize(("told", "heard"), [(0, 0), (3, 3), (64, 64), (65, 0)])
def test_a_report_has_all_filters_or_none(told: int, heard: int) -> None:
    filters = tuple(FilterReport(name=f"f{n}", kind="rspamd") for n in range(told))
    request = wire.control_request_to_wire(NodeReport(filters=filters))

    found = wire.control_request_from_wire(request)

    assert isinstance(found, NodeReport)
    assert found.filters == filters[:heard]


def test_a_hint_for_nothing_is_refused_since_it_would_mean_everything() -> None:
    with pytest.raises(WireError):
        wire.control_response_from_wire(
            control_pb2.ControlResponse(hint=control_pb2.HintCommand(destination=""))
        )


def test_a_program_that_knows_no_hints_finds_a_command_that_it_leaves_undone() -> None:
    """What an older satellite makes of it: a member of the oneof that it has no name for."""
    hint = wire.control_response_to_wire(link.Hint("acme.example")).SerializeToString()
    assert hint[0] >> 3 == 4, "the field's number"
    elsewhere = bytes([0xFA, 0x06]) + hint[1:]  # the same under a number that nobody knows

    heard = wire.control_response_from_wire(control_pb2.ControlResponse.FromString(elsewhere))

    assert isinstance(heard, link.Unreadable)


@pytest.mark.parametrize("reached", [[""], ["d" * 301], ["a.example"] * 501])
def test_destinations_that_are_none_or_too_many_are_refused(reached: list[str]) -> None:
    message = control_pb2.ControlRequest(report=control_pb2.Report(reached=reached))

    with pytest.raises(WireError):
        wire.control_request_from_wire(message)


@pytest.mark.parametrize(("sent", "heard"), [(-1, 0), ((1 << 63) - 1, bounds.MOMENT_US_MAX)])
def test_a_time_that_no_calendar_has_is_moved_to_one(sent: int, heard: int) -> None:
    # A report with the year 292277 made every screen that shows a hold fail.
    report = NodeReport(holds=(hold("a.example", since_us=sent, expires_us=sent),))

    back = wire.control_request_from_wire(wire.control_request_to_wire(report))

    assert isinstance(back, NodeReport)
    assert (back.holds[0].since_us, back.holds[0].expires_us) == (heard, heard)


@pytest.mark.parametrize(
    "offer",
    [
        control_pb2.DefinitionsCommand(family="clamav", serial=0, sha256=DIGEST),
        control_pb2.DefinitionsCommand(family="clamav", serial=1 << 63, sha256=DIGEST),
        control_pb2.DefinitionsCommand(family="clamav", serial=1, sha256=b"short"),
        control_pb2.DefinitionsCommand(family="clamav", serial=1, sha256=DIGEST, port=65_536),
        control_pb2.DefinitionsCommand(family="../etc", serial=1, sha256=DIGEST),
        control_pb2.DefinitionsCommand(family="", serial=1, sha256=DIGEST),
    ],
)
def test_an_offer_of_definitions_beyond_its_bounds_is_refused(
    offer: control_pb2.DefinitionsCommand,
) -> None:
    with pytest.raises(WireError):
        wire.control_response_from_wire(control_pb2.ControlResponse(definitions=offer))


@pytest.mark.parametrize(
    "families",
    [
        [control_pb2.DefinitionsReport(family="a/b")],
        [control_pb2.DefinitionsReport(family="clamav", serial=1 << 63)],
        [control_pb2.DefinitionsReport(family="clamav", detail="d" * 1025)],
        [control_pb2.DefinitionsReport(family="clamav")] * 17,
    ],
)
def test_a_report_on_definitions_beyond_its_bounds_is_refused(
    families: list[control_pb2.DefinitionsReport],
) -> None:
    message = control_pb2.ControlRequest(report=control_pb2.Report(definitions=families))

    with pytest.raises(WireError):
        wire.control_request_from_wire(message)


def test_a_state_of_definitions_that_only_a_later_version_knows_ends_no_stream() -> None:
    family = control_pb2.DefinitionsReport(family="clamav", state="warming up")
    message = control_pb2.ControlRequest(report=control_pb2.Report(definitions=[family]))

    heard = wire.control_request_from_wire(message)

    assert isinstance(heard, NodeReport)
    assert heard.definitions[0].state is DefinitionsState.OTHER
