"""How do quarantined messages and their bodies look on the wire?

Pure.
"""

from __future__ import annotations

from typing import assert_never

from borderscout.v1 import quarantine_pb2 as quarantine

from common import link
from common.identity import ShardIdentity
from common.wire import bounds
from common.wire.bounds import TEXT_LENGTH_MAX
from common.wire.fields import fields_from_wire, fields_to_wire
from common.wire.positions import identity_from_wire, identity_to_wire


def quarantine_request_to_wire(
    request: ShardIdentity | link.Case | link.Chunk,
) -> quarantine.QuarantineRequest:
    """Return what a satellite says on the quarantine stream."""
    match request:
        case ShardIdentity():
            return quarantine.QuarantineRequest(identity=identity_to_wire(request))
        case link.Case():
            return quarantine.QuarantineRequest(
                opened=quarantine.QuarantineCase(**fields_to_wire(request))
            )
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
            return link.Case(**fields_from_wire(message.opened, link.Case))
        case "chunk":
            return chunk_from_wire(message.chunk)
        case _:
            return link.Unreadable(reason="a message that only a later version knows")


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
    bounds.at_most(len(message.data), link.CHUNK_BYTES_MAX, "octets in a chunk")
    return link.Chunk(
        message_id=bounds.ulid(message.message_id),
        offset=bounds.number(message.offset),
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
            return link.Wanted(
                bounds.ulid(message.message_id), bounds.number(message.wanted_offset)
            )
        case "durable" if message.durable:
            return link.Taken(bounds.ulid(message.message_id))
        case "refused":
            return link.NotTaken(bounds.ulid(message.message_id), bounds.text(message.refused))
        case _:
            return link.Unreadable(reason="an answer that only a later version knows")
