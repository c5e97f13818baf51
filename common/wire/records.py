"""How do log records look on the wire?

Pure. Unknown events are kept as they came.
"""

from __future__ import annotations

import itertools

from borderscout.v1 import records_pb2 as records_

from common import link
from common.chain import CHAIN_BYTES, ChainPoint
from common.records import LogRecord
from common.wire import bounds
from common.wire.bounds import NAME_LENGTH_MAX, TEXT_LENGTH_MAX, WireError
from common.wire.positions import identity_from_wire, identity_to_wire


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
        request.last_sequence = records.last_sequence
    if records.chain is not None:
        request.chain.SetInParent()
        request.chain.sequence = records.chain.sequence
        request.chain.digest = records.chain.digest
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
    chain = None
    if message.HasField("chain"):
        chain = ChainPoint(bounds.number(message.chain.sequence), _digest(message.chain.digest))
    return link.Records(found, identity, chain, bounds.number(message.last_sequence))


def taken_to_wire(taken: link.RecordsTaken) -> records_.RecordsResponse:
    """Return the core's word on what is durable as protobuf."""
    return records_.RecordsResponse(
        durable_sequence=taken.durable, chain=taken.chain, forked=taken.forked[:TEXT_LENGTH_MAX]
    )


def taken_from_wire(message: records_.RecordsResponse) -> link.RecordsTaken:
    """Return up to where the core has our records durably.

    Raises:
        WireError: it is no number of ours, or no digest.
    """
    return link.RecordsTaken(
        bounds.number(message.durable_sequence),
        _digest(message.chain),
        bounds.shown(message.forked),
    )


def _digest(value: bytes) -> bytes:
    if value and len(value) != CHAIN_BYTES:
        raise WireError(f"a chain's digest of {len(value)} octets")
    return value


def _record_from_wire(message: records_.LogRecord) -> LogRecord:
    # Only its place is judged here: a record that is wrong otherwise must not block all later
    # ones, so the core keeps it and says what is wrong with it.
    sequence = bounds.number(message.sequence)
    if sequence < 1:
        raise WireError("a record without a sequence")
    return LogRecord(
        sequence=sequence,
        time_us=message.time_us,
        event=bounds.plain(message.event[:NAME_LENGTH_MAX]),
        message_id=bounds.plain(message.message_id[:NAME_LENGTH_MAX]),
        fields=message.fields,
    )
