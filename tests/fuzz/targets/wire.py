"""Does every message of the link become one of ours, or an error that ends its stream?

Pure. The first octet says which message of which stream the others are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from borderscout.v1 import control_pb2, preferences_pb2, quarantine_pb2, records_pb2
from google.protobuf.message import DecodeError

from common import link, wire
from common.wire import WireError

WORDS = (
    b"01KDVDNA000000000000000001",
    b"lon1",
    b"\x0a\x00",
    b"\x12\x04",
    b"\x98\x06\x01",
    b"\xff" * 9,
)

# Message, from protobuf, and back; None where nothing of it can be sent again.
_MESSAGES: tuple[tuple[Any, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (
        control_pb2.ControlRequest,
        wire.control_request_from_wire,
        wire.control_request_to_wire,
    ),
    (
        control_pb2.ControlResponse,
        wire.control_response_from_wire,
        wire.control_response_to_wire,
    ),
    (control_pb2.ClaimResponse, wire.claim_from_wire, wire.claim_to_wire),
    (
        preferences_pb2.PreferencesRequest,
        wire.preferences_request_from_wire,
        wire.preferences_request_to_wire,
    ),
    (
        preferences_pb2.PreferencesResponse,
        wire.preferences_response_from_wire,
        wire.preferences_response_to_wire,
    ),
    (
        quarantine_pb2.QuarantineRequest,
        wire.quarantine_request_from_wire,
        wire.quarantine_request_to_wire,
    ),
    (
        quarantine_pb2.QuarantineResponse,
        wire.quarantine_response_from_wire,
        wire.quarantine_response_to_wire,
    ),
    (records_pb2.RecordsRequest, wire.records_from_wire, wire.records_to_wire),
    (records_pb2.RecordsResponse, wire.sequence_from_wire, wire.sequence_to_wire),
)


def target(data: bytes) -> None:
    """Read a message; what passes comes back the same when it is sent again."""
    if not data:
        return
    kind, from_wire, to_wire = _MESSAGES[data[0] % len(_MESSAGES)]
    message = kind()
    try:
        message.ParseFromString(data[1:])
    except DecodeError:
        return  # gRPC ends the stream
    try:
        found = from_wire(message)
    except WireError as error:
        assert len(str(error)) < 2_000, "it goes into a log line"
        return
    if not isinstance(found, link.Unreadable):
        assert from_wire(to_wire(found)) == found
