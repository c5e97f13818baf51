"""How does a record become the fields that travel, within their bound?

Pure. A record never blocks the stream: what is too long is split by its recipients or cut, and a
record that was cut says so by a field ``shortened``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from common.address import fold
from common.records.every import RECORDS, Record
from common.records.log_record import FIELDS_BYTES_MAX
from common.records.shape import fields_of, writer_of
from common.verdict import Test, Verdict

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_WRITERS = {cls: writer_of(cls) for cls in RECORDS}
# Items of a list, characters of a text: texts go first, since a list may be of recipients.
_CUTS = ((2_000, 400), (2_000, 80), (100, 400), (20, 100), (2, 50))
# So many objects are too long even with the shortest texts, and each cut that is tried costs time.
_OBJECTS_MAX = 1_000


def written(record: Record) -> list[bytes]:
    """Return a record as one or more JSON objects that are each within the bound.

    What is too long because it names many recipients becomes several, each with some of them: a
    recipient that is cut out of a record would have no outcome (P1).
    """
    write = _WRITERS[type(record)]
    try:
        said = write(record)
    except (
        TypeError,
        OverflowError,
        KeyError,
    ):  # a stranger's engine put anything into its verdict
        said = write(_mended(record))
    encoded = said.encode("utf-8", "replace")
    if len(encoded) <= FIELDS_BYTES_MAX:
        return [encoded]
    return encoded_parts(json.loads(encoded))


def _mended(record: Record) -> Record:
    """Return a record of the right types: what is of another reads as nothing, as everywhere."""
    values = {
        one.name: one.kind.read(_plain(getattr(record, one.name)))
        for one in fields_of(type(record))
    }
    return type(record)(**values)


def _plain(value: object) -> Any:
    return json.loads(json.dumps(value, default=_as_object))


def _as_object(value: object) -> object:
    return dataclasses.asdict(value) if isinstance(value, Verdict | Test) else str(value)


def encoded_parts(fields: Mapping[str, Any]) -> list[bytes]:
    """Return fields as one or more JSON objects that are each within the bound."""
    encoded = _json(fields)
    recipients = fields.get("recipients")
    if len(encoded) <= FIELDS_BYTES_MAX or not isinstance(recipients, list) or len(recipients) < 2:
        return [encoded if len(encoded) <= FIELDS_BYTES_MAX else encode_fields(fields)]
    half = len(recipients) // 2
    parts = (recipients[:half], recipients[half:])
    return [one for part in parts for one in encoded_parts(_with(fields, part))]


def _with(fields: Mapping[str, Any], recipients: list[Any]) -> dict[str, Any]:
    """Return fields for some of their recipients, without tests that count for others alone.

    A thousand recipients with tests of their own would else be a thousand records with all of them.
    """
    part = {**fields, "recipients": recipients}
    if isinstance(verdicts := fields.get("verdicts"), list):
        addresses = (one.get("address") if isinstance(one, dict) else one for one in recipients)
        whose = {fold(one) for one in addresses if isinstance(one, str)}
        part["verdicts"] = [_verdict_for(verdict, whose) for verdict in verdicts]
    return part


def _verdict_for(verdict: Any, whose: set[str]) -> Any:
    if not isinstance(verdict, dict) or not isinstance(tests := verdict.get("tests"), list):
        return verdict
    kept = [one for one in tests if not one.get("recipient") or one["recipient"] in whose]
    return {**verdict, "tests": kept}


def encode_fields(fields: Mapping[str, Any]) -> bytes:
    """Return fields within the bound: lists and texts give way step by step, at any depth."""
    encoded = _json(fields)
    if len(encoded) <= FIELDS_BYTES_MAX:
        return encoded
    cuts = _CUTS if encoded.count(b"{") <= _OBJECTS_MAX else _CUTS[2:]
    for items_max, length_max in cuts:
        shortened = {key: _cut(value, items_max, length_max) for key, value in fields.items()}
        encoded = _json(shortened | {"shortened": True})
        if len(encoded) <= FIELDS_BYTES_MAX:
            return encoded
    return _json({"shortened": True})


def _cut(value: Any, items_max: int, length_max: int) -> Any:
    """Return a value whose lists and texts, at any depth, are no longer than this."""
    if isinstance(value, str):
        return value[:length_max]
    if isinstance(value, Mapping):
        return {key: _cut(inner, items_max, length_max) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(inner, items_max, length_max) for inner in value[:items_max]]
    return value


def _json(value: object) -> bytes:
    return _ENCODER.encode(value).encode("utf-8", "replace")
