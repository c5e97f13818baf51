"""How do our messages become protobuf, and which protobuf do we take?

Pure. Nobody but the link touches the generated classes, and nothing passes here that is not
bounded: numbers fit 63 bits, texts have a length and no control characters, digests are whole.

Another version's peer: a message of a kind that we do not know becomes ``Unreadable``, and so does
a batch of preferences with a field that we do not know, since a policy must never be applied in
part. Unknown fields elsewhere are left out of what we read; unknown events of records are kept.

Source: SYNC.md G15; docs/sync.md, *Another version*.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import assert_never

from borderscout.v1 import control_pb2 as control
from borderscout.v1 import position_pb2 as position_
from borderscout.v1 import preferences_pb2 as preferences
from borderscout.v1 import quarantine_pb2 as quarantine
from borderscout.v1 import records_pb2 as records_
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from common import link
from common.errors import PeerError
from common.identity import SHARDS_MAX, IdentityRefused, ShardIdentity, check_identity
from common.ids import is_ulid
from common.preferences import Document, Epoch, Position
from common.preferences.digest import DIGEST_BYTES
from common.records import LogRecord
from common.reports import EngineReport, HoldReport, NodeReport, PreferenceProblem

NUMBER_MAX = (1 << 63) - 1  # what both databases hold
TEXT_LENGTH_MAX = 1024  # characters of what is only shown
NAME_LENGTH_MAX = 64  # characters of a version, a nonce, an event or an engine
ADDRESS_LENGTH_MAX = 512  # characters; an address has 254 octets, a stranger's sender may lie
RECIPIENTS_MAX = 100_000  # the largest `recipients_max` of the settings
HEAD_BYTES_MAX = 1_048_576  # our headers and the trace in front of a delivered copy
ENGINES_MAX = 64
HOLDS_MAX = 1000
PROBLEMS_MAX = 20
STATES_MAX = 64


class WireError(PeerError):
    """A message breaks a rule of the link; its stream ends."""


# --- positions ----------------------------------------------------------------------------------


def position_to_wire(position: Position) -> position_.PreferencePosition:
    """Return a position as protobuf."""
    return position_.PreferencePosition(
        epoch=position_.Epoch(
            generation=position.epoch.generation, identifier=position.epoch.identifier
        ),
        revision=position.revision,
    )


def position_from_wire(message: position_.PreferencePosition) -> Position:
    """Return the position that a peer named.

    Raises:
        WireError: it is none.
    """
    identifier = _text(message.epoch.identifier, length_max=NAME_LENGTH_MAX)
    epoch = Epoch(_number(message.epoch.generation), identifier)
    return Position(epoch, _number(message.revision))


def identity_to_wire(identity: ShardIdentity) -> position_.ShardIdentity:
    """Return who we are as protobuf."""
    return position_.ShardIdentity(
        node=identity.node, shard=identity.shard, incarnation=identity.incarnation
    )


def identity_from_wire(message: position_.ShardIdentity) -> ShardIdentity:
    """Return who a peer says it is; the certificate must agree.

    Raises:
        WireError: no shard can be called so.
    """
    try:
        return check_identity(ShardIdentity(message.node, message.shard, message.incarnation))
    except IdentityRefused as error:
        raise WireError(error.what) from None


# --- control ------------------------------------------------------------------------------------


def control_request_to_wire(
    request: link.Hello | NodeReport,
) -> control.ControlRequest:
    """Return what a satellite says on the control stream."""
    match request:
        case link.Hello():
            return control.ControlRequest(
                hello=control.Hello(
                    identity=identity_to_wire(request.identity),
                    shards=request.shards,
                    version=request.version,
                    protocol_version=request.protocol_version,
                )
            )
        case NodeReport():
            return control.ControlRequest(report=_report_to_wire(request))
        case _:
            assert_never(request)


def control_request_from_wire(message: control.ControlRequest) -> link.ControlRequest:
    """Return what a satellite said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("message"):
        case "hello":
            hello = message.hello
            if not 1 <= hello.shards <= SHARDS_MAX:
                raise WireError(f"a node has 1 to {SHARDS_MAX} shards, not {hello.shards}")
            return link.Hello(
                identity=identity_from_wire(hello.identity),
                shards=hello.shards,
                version=_text(hello.version, length_max=NAME_LENGTH_MAX),
                protocol_version=_protocol(hello.protocol_version),
            )
        case "report":
            return _report_from_wire(message.report)
        case _:
            return link.Unreadable(reason="a message that only a later version knows")


def control_response_to_wire(
    response: link.Welcome | link.ReleaseOffer | link.Flush,
) -> control.ControlResponse:
    """Return what the core says on the control stream."""
    match response:
        case link.Welcome(core=core, time_us=time_us):
            return control.ControlResponse(welcome=control.Welcome(core=core, time_us=time_us))
        case link.ReleaseOffer(release_id=release_id, message_id=message_id):
            return control.ControlResponse(
                release=control.ReleaseCommand(release_id=release_id, message_id=message_id)
            )
        case link.Flush(destination=destination):
            return control.ControlResponse(flush=control.FlushCommand(destination=destination))
        case _:
            assert_never(response)


def control_response_from_wire(message: control.ControlResponse) -> link.ControlResponse:
    """Return what the core said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("message"):
        case "welcome":
            return link.Welcome(
                _text(message.welcome.core, length_max=NAME_LENGTH_MAX), message.welcome.time_us
            )
        case "release":
            return link.ReleaseOffer(
                _ulid(message.release.release_id), _ulid(message.release.message_id)
            )
        case "flush":
            return link.Flush(_text(message.flush.destination))
        case _:
            return link.Unreadable(reason="a command that only a later version knows")


def _report_to_wire(report: NodeReport) -> control.Report:
    message = control.Report(
        time_us=report.time_us,
        applied=position_to_wire(report.applied),
        spool=dict(report.spool),
        outbox_records=report.outbox_records,
        outbox_quarantine=report.outbox_quarantine,
        accepting=report.accepting,
        not_accepting_reason=report.not_accepting_reason[:TEXT_LENGTH_MAX],
        oldest_us=report.oldest_us,
        problems=[problem[:TEXT_LENGTH_MAX] for problem in report.problems[:PROBLEMS_MAX]],
        engines=[
            control.EngineReport(
                name=engine.name,
                answering=engine.answering,
                version=engine.version[:TEXT_LENGTH_MAX],
                detail=engine.detail[:TEXT_LENGTH_MAX],
            )
            for engine in report.engines[:ENGINES_MAX]
        ],
        holds=[
            control.HoldReport(
                customer=hold.customer,
                destination=hold.destination,
                since_us=hold.since_us,
                reason=hold.reason[:TEXT_LENGTH_MAX],
                messages=hold.messages,
                bytes=hold.bytes,
                oldest_us=hold.oldest_us,
                expires_us=hold.expires_us,
            )
            for hold in report.holds[:HOLDS_MAX]
        ],
    )
    if report.refused is not None:
        message.refused.CopyFrom(
            control.PreferenceProblem(
                revision=report.refused.revision,
                kind=report.refused.kind[:NAME_LENGTH_MAX],
                key=report.refused.key[:TEXT_LENGTH_MAX],
                reason=report.refused.reason[:TEXT_LENGTH_MAX],
            )
        )
    return message


def _report_from_wire(message: control.Report) -> NodeReport:
    _at_most(len(message.engines), ENGINES_MAX, "engines")
    _at_most(len(message.holds), HOLDS_MAX, "holds")
    _at_most(len(message.spool), STATES_MAX, "states")
    _at_most(len(message.problems), PROBLEMS_MAX, "problems")
    refused = None
    if message.HasField("refused"):
        refused = PreferenceProblem(
            revision=_number(message.refused.revision),
            kind=_text(message.refused.kind, length_max=NAME_LENGTH_MAX),
            key=_text(message.refused.key),
            reason=_text(message.refused.reason),
        )
    return NodeReport(
        time_us=message.time_us,
        applied=position_from_wire(message.applied),
        refused=refused,
        spool={
            _text(k, length_max=NAME_LENGTH_MAX): _number(v)
            for k, v in sorted(message.spool.items())
        },
        engines=tuple(
            EngineReport(
                name=_text(engine.name, length_max=NAME_LENGTH_MAX),
                answering=engine.answering,
                version=_text(engine.version),
                detail=_text(engine.detail),
            )
            for engine in message.engines
        ),
        holds=tuple(
            HoldReport(
                customer=_text(hold.customer),
                destination=_text(hold.destination),
                since_us=hold.since_us,
                reason=_text(hold.reason),
                messages=_number(hold.messages),
                bytes=_number(hold.bytes),
                oldest_us=hold.oldest_us,
                expires_us=hold.expires_us,
            )
            for hold in message.holds
        ),
        outbox_records=_number(message.outbox_records),
        outbox_quarantine=_number(message.outbox_quarantine),
        accepting=message.accepting,
        not_accepting_reason=_text(message.not_accepting_reason),
        oldest_us=_number(message.oldest_us),
        problems=tuple(_text(problem) for problem in message.problems),
    )


# --- releases -----------------------------------------------------------------------------------


def claim_to_wire(claim: link.Claim) -> control.ClaimResponse:
    """Return the answer to a claim as protobuf."""
    return control.ClaimResponse(
        granted=claim.granted,
        reason=claim.reason[:TEXT_LENGTH_MAX],
        message_id=claim.message_id,
        sender=claim.sender,
        recipients=claim.recipients,
        sha256=claim.sha256,
        size=claim.size,
        head=claim.head,
        smtputf8=claim.smtputf8,
        skip=claim.skip,
        eight_bit=claim.eight_bit,
        subject=claim.subject,
    )


def claim_from_wire(message: control.ClaimResponse) -> link.Claim:
    """Return the answer to our claim.

    Raises:
        WireError: it breaks a bound.
    """
    if not message.granted:
        return link.Claim(granted=False, reason=_text(message.reason))
    return link.Claim(
        granted=True,
        message_id=_ulid(message.message_id),
        sender=_address(message.sender),
        recipients=_addresses(message.recipients),
        sha256=_digest(message.sha256),
        size=_number(message.size),
        head=_head(message.head),
        skip=_number(message.skip),
        smtputf8=message.smtputf8,
        eight_bit=message.eight_bit,
        subject=_shown(message.subject),
    )


# --- preferences --------------------------------------------------------------------------------


def preferences_request_to_wire(
    request: link.PreferencesHello | link.Answer,
) -> preferences.PreferencesRequest:
    """Return what a satellite says on the preference stream."""
    match request:
        case link.PreferencesHello():
            return preferences.PreferencesRequest(
                hello=preferences.PreferencesHello(
                    identity=identity_to_wire(request.identity),
                    applied=position_to_wire(request.applied),
                    digest=request.digest,
                    protocol_version=request.protocol_version,
                )
            )
        case link.Answer():
            answer = preferences.PreferencesAnswer(
                nonce=request.nonce,
                applied=position_to_wire(request.applied),
                digest=request.digest,
            )
            if request.refusal is not None:
                answer.refusal.CopyFrom(
                    preferences.PreferenceRefusal(
                        kind=request.refusal.kind[:NAME_LENGTH_MAX],
                        key=request.refusal.key[:TEXT_LENGTH_MAX],
                        reason=request.refusal.reason[:TEXT_LENGTH_MAX],
                        wants_snapshot=request.refusal.wants_snapshot,
                    )
                )
            return preferences.PreferencesRequest(answer=answer)
        case _:
            assert_never(request)


def preferences_request_from_wire(
    message: preferences.PreferencesRequest,
) -> link.PreferencesRequest:
    """Return what a satellite said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("message"):
        case "hello":
            hello = message.hello
            return link.PreferencesHello(
                identity=identity_from_wire(hello.identity),
                applied=position_from_wire(hello.applied),
                digest=_digest(hello.digest),
                protocol_version=_protocol(hello.protocol_version),
            )
        case "answer":
            return _answer_from_wire(message.answer)
        case _:
            return link.Unreadable(reason="a message that only a later version knows")


def _answer_from_wire(answer: preferences.PreferencesAnswer) -> link.Answer:
    refusal = None
    if answer.HasField("refusal"):
        refusal = link.Refusal(
            kind=_text(answer.refusal.kind, length_max=NAME_LENGTH_MAX),
            key=_text(answer.refusal.key),
            reason=_text(answer.refusal.reason),
            wants_snapshot=answer.refusal.wants_snapshot,
        )
    return link.Answer(
        nonce=_text(answer.nonce, length_max=NAME_LENGTH_MAX),
        applied=position_from_wire(answer.applied),
        digest=_digest(answer.digest),
        refusal=refusal,
    )


def preferences_response_to_wire(
    response: link.Batch | link.Bookmark,
) -> preferences.PreferencesResponse:
    """Return what the core says on the preference stream."""
    match response:
        case link.Batch():
            batch = preferences.PreferencesBatch(
                target=position_to_wire(response.target),
                documents=[_document_to_wire(document) for document in response.documents],
                snapshot=response.snapshot,
                last_part=response.last_part,
                digest=response.digest,
            )
            if response.base is not None:
                batch.base.CopyFrom(position_to_wire(response.base))
            return preferences.PreferencesResponse(nonce=response.nonce, batch=batch)
        case link.Bookmark(position=position, time_us=time_us):
            return preferences.PreferencesResponse(
                bookmark=preferences.PreferencesBookmark(
                    position=position_to_wire(position), time_us=time_us
                )
            )
        case _:
            assert_never(response)


def preferences_response_from_wire(
    message: preferences.PreferencesResponse,
) -> link.PreferencesResponse:
    """Return what the core said.

    Raises:
        WireError: it breaks a bound.
    """
    nonce = _text(message.nonce, length_max=NAME_LENGTH_MAX)
    match message.WhichOneof("message"):
        case "batch":
            if _holds_unknown(message, message.batch, *message.batch.documents):
                reason = "preferences with a field that only a later version knows"
                return link.Unreadable(nonce=nonce, reason=reason)
            return _batch_from_wire(nonce, message.batch)
        case "bookmark":
            bookmark = message.bookmark
            return link.Bookmark(
                position=position_from_wire(bookmark.position), time_us=bookmark.time_us
            )
        case _:
            reason = "preferences of a form that only a later version knows"
            return link.Unreadable(nonce=nonce, reason=reason)


def _batch_from_wire(nonce: str, batch: preferences.PreferencesBatch) -> link.Batch:
    if not nonce:
        raise WireError("a batch of preferences without a nonce")
    base = position_from_wire(batch.base) if batch.HasField("base") else None
    if (base is None) is not batch.snapshot:
        raise WireError("a snapshot has no base, and every other batch has one")
    return link.Batch(
        nonce=nonce,
        base=base,
        target=position_from_wire(batch.target),
        documents=tuple(_document_from_wire(document) for document in batch.documents),
        snapshot=batch.snapshot,
        last_part=batch.last_part,
        digest=_digest(batch.digest),
    )


def _document_to_wire(document: Document) -> preferences.Document:
    return preferences.Document(
        kind=document.kind,
        key=document.key,
        revision=document.revision,
        body=document.body,
        removed=document.removed,
    )


def _document_from_wire(message: preferences.Document) -> Document:
    # What stands in it is judged when it is applied: a refusal must name the document.
    return Document(
        kind=message.kind,
        key=message.key,
        revision=_number(message.revision),
        body=message.body,
        removed=message.removed,
    )


def _holds_unknown(*messages: Message) -> bool:
    return any(len(UnknownFieldSet(message)) for message in messages)


# --- records ------------------------------------------------------------------------------------


def records_to_wire(records: link.Records) -> records_.RecordsRequest:
    """Return records, or the identity that opens the stream, as protobuf."""
    request = records_.RecordsRequest(
        records=[
            records_.LogRecord(
                sequence=record.sequence,
                time_us=record.time_us,
                event=record.event,
                message_id=record.message_id,
                fields=record.fields,
            )
            for record in records.records
        ]
    )
    if records.identity is not None:
        request.identity.CopyFrom(identity_to_wire(records.identity))
    return request


def records_from_wire(message: records_.RecordsRequest) -> link.Records:
    """Return the records that a satellite sent, in order and without holes.

    Raises:
        WireError: they have holes, or one breaks a bound.
    """
    identity = identity_from_wire(message.identity) if message.HasField("identity") else None
    found = tuple(_record_from_wire(record) for record in message.records)
    for earlier, later in itertools.pairwise(found):
        if later.sequence != earlier.sequence + 1:
            raise WireError(f"record {later.sequence} follows {earlier.sequence}")
    return link.Records(found, identity)


def sequence_to_wire(durable: int) -> records_.RecordsResponse:
    """Return the core's word on what is durable as protobuf."""
    return records_.RecordsResponse(durable_sequence=durable)


def sequence_from_wire(message: records_.RecordsResponse) -> int:
    """Return up to where the core has our records durably.

    Raises:
        WireError: it is no number of ours.
    """
    return _number(message.durable_sequence)


def _record_from_wire(message: records_.LogRecord) -> LogRecord:
    # Only its place is judged here: a record that is wrong otherwise must not block all later
    # ones, so the core keeps it and says what is wrong with it.
    sequence = _number(message.sequence)
    if sequence < 1:
        raise WireError("a record without a sequence")
    return LogRecord(
        sequence=sequence,
        time_us=message.time_us,
        event=_plain(message.event[:NAME_LENGTH_MAX]),
        message_id=_plain(message.message_id[:NAME_LENGTH_MAX]),
        fields=message.fields,
    )


# --- quarantine ---------------------------------------------------------------------------------


def quarantine_request_to_wire(
    request: ShardIdentity | link.Case | link.Chunk,
) -> quarantine.QuarantineRequest:
    """Return what a satellite says on the quarantine stream."""
    match request:
        case ShardIdentity():
            return quarantine.QuarantineRequest(identity=identity_to_wire(request))
        case link.Case():
            return quarantine.QuarantineRequest(opened=_case_to_wire(request))
        case link.Chunk():
            return quarantine.QuarantineRequest(chunk=chunk_to_wire(request))
        case _:
            assert_never(request)


def quarantine_request_from_wire(message: quarantine.QuarantineRequest) -> link.QuarantineRequest:
    """Return what a satellite said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("message"):
        case "identity":
            return identity_from_wire(message.identity)
        case "opened":
            return _case_from_wire(message.opened)
        case "chunk":
            return chunk_from_wire(message.chunk)
        case _:
            return link.Unreadable(reason="a message that only a later version knows")


def _case_to_wire(case: link.Case) -> quarantine.QuarantineCase:
    return quarantine.QuarantineCase(
        message_id=case.message_id,
        quarantined_us=case.quarantined_us,
        sender=case.sender,
        recipients=case.recipients,
        reason=case.reason,
        detail=case.detail[:TEXT_LENGTH_MAX],
        sha256=case.sha256,
        size=case.size,
        subject=case.subject[:TEXT_LENGTH_MAX],
        client_address=case.client_address,
        head=case.head,
        smtputf8=case.smtputf8,
        skip=case.skip,
        eight_bit=case.eight_bit,
    )


def _case_from_wire(message: quarantine.QuarantineCase) -> link.Case:
    return link.Case(
        message_id=_ulid(message.message_id),
        quarantined_us=message.quarantined_us,
        sender=_address(message.sender),
        recipients=_addresses(message.recipients),
        reason=_text(message.reason, length_max=NAME_LENGTH_MAX),
        detail=_shown(message.detail),
        sha256=_digest(message.sha256),
        size=_number(message.size),
        subject=_shown(message.subject),
        client_address=_text(message.client_address, length_max=NAME_LENGTH_MAX),
        head=_head(message.head),
        skip=_number(message.skip),
        smtputf8=message.smtputf8,
        eight_bit=message.eight_bit,
    )


def chunk_to_wire(chunk: link.Chunk) -> quarantine.BodyChunk:
    """Return octets of a body as protobuf."""
    return quarantine.BodyChunk(
        message_id=chunk.message_id, offset=chunk.offset, data=chunk.data, last=chunk.last
    )


def chunk_from_wire(message: quarantine.BodyChunk) -> link.Chunk:
    """Return octets of a body.

    Raises:
        WireError: it breaks a bound.
    """
    _at_most(len(message.data), link.CHUNK_BYTES_MAX, "octets in a chunk")
    return link.Chunk(
        message_id=_ulid(message.message_id),
        offset=_number(message.offset),
        data=message.data,
        last=message.last,
    )


def quarantine_response_to_wire(
    response: link.Wanted | link.Taken | link.NotTaken,
) -> quarantine.QuarantineResponse:
    """Return what the core says on the quarantine stream."""
    match response:
        case link.Wanted(message_id=message_id, offset=offset):
            return quarantine.QuarantineResponse(message_id=message_id, wanted_offset=offset)
        case link.Taken(message_id=message_id):
            return quarantine.QuarantineResponse(message_id=message_id, durable=True)
        case link.NotTaken(message_id=message_id, reason=reason):
            return quarantine.QuarantineResponse(
                message_id=message_id, refused=reason[:TEXT_LENGTH_MAX]
            )
        case _:
            assert_never(response)


def quarantine_response_from_wire(
    message: quarantine.QuarantineResponse,
) -> link.QuarantineResponse:
    """Return what the core said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("state"):
        case "wanted_offset":
            return link.Wanted(_ulid(message.message_id), _number(message.wanted_offset))
        case "durable" if message.durable:
            return link.Taken(_ulid(message.message_id))
        case "refused":
            return link.NotTaken(_ulid(message.message_id), _text(message.refused))
        case _:
            return link.Unreadable(reason="an answer that only a later version knows")


# --- bounds -------------------------------------------------------------------------------------


def _number(value: int) -> int:
    if not 0 <= value <= NUMBER_MAX:
        raise WireError(f"{value} is larger than any number of ours")
    return value


def _protocol(version: int) -> int:
    if version < 1:
        raise WireError("a hello without a protocol version")
    return version


def _at_most(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise WireError(f"{count} {what}; at most {limit}")


def _text(value: str, *, length_max: int = TEXT_LENGTH_MAX) -> str:
    _at_most(len(value), length_max, "characters")
    return _plain(value)


def _shown(value: str) -> str:
    """Text that only people read: what is too long is cut, and refuses nothing."""
    return _plain(value[:TEXT_LENGTH_MAX])


def _plain(value: str) -> str:
    return value if value.isprintable() else "".join(c if c.isprintable() else "?" for c in value)


def _address(value: str) -> str:
    _at_most(len(value), ADDRESS_LENGTH_MAX, "characters in an address")
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
        raise WireError("an address with control characters")
    return value


def _addresses(values: Iterable[str]) -> tuple[str, ...]:
    found = tuple(_address(value) for value in values)
    _at_most(len(found), RECIPIENTS_MAX, "recipients")
    return found


def _ulid(value: str) -> str:
    if not is_ulid(value):
        raise WireError(f"{value[:40]!r} is no identifier of ours")
    return value


def _digest(value: bytes) -> bytes:
    if len(value) != DIGEST_BYTES:
        raise WireError(f"a digest of {len(value)} octets")
    return value


def _head(value: bytes) -> bytes:
    _at_most(len(value), HEAD_BYTES_MAX, "octets in front of a copy")
    return value
