"""Does every message of the link become one of ours, or an error that ends its stream?

Pure. The first octet says which message of which stream the others are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from borderscout.v1 import control_pb2, preferences_pb2, quarantine_pb2, records_pb2
from google.protobuf.message import DecodeError

from common import link, wire
from common.preferences import Document
from common.wire import WireError
from common.wire.bounds import NUMBER_MAX

WORDS = (
    b"01KDVDNA000000000000000001",
    b"lon1",
    b"\x0a\x00",
    b"\x12\x04",
    b"\x98\x06\x01",
    b"\xff" * 9 + b"\x01",
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
    (records_pb2.RecordsResponse, wire.taken_from_wire, wire.taken_to_wire),
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
    _check_bounds(found)
    if not isinstance(found, link.Unreadable):
        assert from_wire(to_wire(found)) == found


def _check_bounds(value: object) -> None:
    """Every number fits both databases, and every text a line, at any depth.

    What stands in a document is judged when it is applied.
    """
    if isinstance(value, int):
        assert -(1 << 63) <= value <= NUMBER_MAX
    elif isinstance(value, str):
        assert not any(sign < " " or sign == "\x7f" for sign in value)
    elif isinstance(value, Mapping):
        _check_bounds((*value.keys(), *value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            _check_bounds(one)
    elif isinstance(value, Document):
        _check_bounds(value.revision)
    elif dataclasses.is_dataclass(value):
        _check_bounds([getattr(value, one.name) for one in dataclasses.fields(value)])
