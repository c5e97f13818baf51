"""Which documents are there, and how are their keys written?

Pure. A document is (kind, key, body).

Source: docs/design/link-guarantees.md, G1, G9, G15.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import total_ordering
from typing import Any, TypeVar

from pydantic import ValidationError

from common.address import AddressError, parse_address, parse_domain
from common.errors import PeerError
from common.preferences.bodies import (
    Body,
    EngineBody,
    FilterBody,
    HoldBody,
    ListBody,
    NodeBody,
    PolicyBody,
    RecipientBody,
    RouteBody,
    RuleBody,
    ThreatBody,
    WeightBody,
    YaraBody,
)
from common.preferences.list_keys import list_key, split_list_key
from common.preferences.patterns import compile_pattern
from common.preferences.scopes import Scope
from common.preferences.threats import split_threat_key, threat_key
from common.preferences.weights import split_weight_key, weight_key

BODY_BYTES_MAX = 65_536  # one document; a batch of many stays below gRPC's 4 MiB
KEY_LENGTH_MAX = 600  # characters: a colour, a scope and a pattern of 254 each

_NODE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # as settings have it

B = TypeVar("B", bound=Body)


class Kind(StrEnum):
    """The kinds of document, in the order in which they take effect."""

    ROUTE = "route"  # key: domain
    RECIPIENT = "recipient"  # key: address
    ENGINE = "engine"  # key: engine name
    FILTER = "filter"  # key: filter name
    RULE = "rule"  # key: rule name
    POLICY = "policy"  # key: scope
    LIST = "list"  # key: COLOUR/SCOPE/PATTERN
    THREAT = "threat"  # key: ENGINE/NAME
    HOLD = "hold"  # key: domain
    YARA = "yara"  # key: a name for the rules
    WEIGHT = "weight"  # key: SCOPE/TEST
    NODE = "node"  # key: the node's name; no recipient's look-up asks for it

    # Each look-up of preferences begins with a kind; that of the library is written in Python.
    __hash__ = str.__hash__


class DocumentRefused(PeerError):
    """A document cannot be applied."""

    def __init__(self, kind: str, key: str, reason: str) -> None:
        where = f"{kind} {key}: " if kind or key else ""
        super().__init__(f"{where}{reason}", hint="see docs/documents.md for what there is")
        self.kind = kind
        self.key = key
        self.reason = reason


@total_ordering
@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of the core's database. Epochs are ordered by generation."""

    generation: int
    identifier: str  # UUID

    def __lt__(self, other: Epoch) -> bool:
        return self.generation < other.generation


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the preferences. Revision 0 means nothing was ever applied."""

    epoch: Epoch
    revision: int


NOTHING = Position(Epoch(0, ""), 0)


BODIES: dict[Kind, type[Body]] = {
    Kind.ROUTE: RouteBody,
    Kind.RECIPIENT: RecipientBody,
    Kind.ENGINE: EngineBody,
    Kind.FILTER: FilterBody,
    Kind.RULE: RuleBody,
    Kind.POLICY: PolicyBody,
    Kind.LIST: ListBody,
    Kind.THREAT: ThreatBody,
    Kind.HOLD: HoldBody,
    Kind.YARA: YaraBody,
    Kind.WEIGHT: WeightBody,
    Kind.NODE: NodeBody,
}


@dataclass(frozen=True, slots=True)
class Document:
    """One document, or its tombstone, as it travels and is kept.

    Args:
        kind: a member of ``Kind``, or another version's word.
        key: in its canonical form.
        revision: the change that set or removed it; 0 before it is published.
        body: canonical JSON; empty in a tombstone.
        removed: True in a tombstone.
    """

    kind: str
    key: str
    revision: int
    body: bytes
    removed: bool = False


@dataclass(frozen=True, slots=True)
class CheckedDocument(Document):
    """A document that can be applied: its key is canonical, and its body was read.

    Only ``check_document`` and what is built on it make one, where a document comes in; from there
    on nobody reads its octets again.

    Args:
        parsed: what the body says; None in a tombstone. Nor does a list entry keep it: there may be
            a million, and it is read when somebody asks.
    """

    parsed: Body | None = field(default=None, compare=False, repr=False)

    def body_as(self, kind: type[B]) -> B:
        """Return what the body says; a document of this kind says nothing else."""
        parsed = self.parsed
        if parsed is None and kind is ListBody:
            parsed = parse_body(Kind.LIST, self.body)
        assert isinstance(parsed, kind)
        return parsed


def check_document(document: Document) -> CheckedDocument:
    """Return the document with its key in canonical form and its body read, once.

    Raises:
        DocumentRefused: the kind is unknown, the key or the body is wrong.
    """
    if isinstance(document, CheckedDocument):
        return document
    try:
        kind = Kind(document.kind)
    except ValueError:
        raise DocumentRefused(document.kind, document.key, "unknown kind") from None
    if len(document.key) > KEY_LENGTH_MAX or len(document.body) > BODY_BYTES_MAX:
        raise DocumentRefused(document.kind, document.key[:80], "too long")
    try:
        key = canonical_key(kind, document.key)
        if document.removed:
            return CheckedDocument(kind, key, document.revision, b"", True)
        parsed = parse_body(kind, document.body)
    except ValidationError as error:
        reason = _first_reason(error, BODIES[kind])
        raise DocumentRefused(document.kind, document.key, reason) from None
    except (AddressError, ValueError) as error:
        raise DocumentRefused(document.kind, document.key, str(error)) from None
    if kind is Kind.LIST:
        # One text for the key and not two, where it came as it is kept.
        same = document.key if document.key == key else key
        return CheckedDocument(kind, same, document.revision, document.body)
    return CheckedDocument(kind, key, document.revision, document.body, False, parsed)


def parse_body(kind: Kind, body: bytes) -> Body:
    """Return what a body says. Every body that is read, is read here.

    Raises:
        ValidationError, ValueError: it is none of this kind.
    """
    parsed = BODIES[kind].model_validate_json(body)
    if isinstance(parsed, RuleBody):
        compile_pattern(parsed.pattern)
    return parsed


def new_document(kind: str, key: str, body: Mapping[str, Any]) -> CheckedDocument:
    """Return a document that nobody has published, its body written in the canonical way.

    Raises:
        DocumentRefused: the kind is unknown, the key or the body is wrong.
    """
    try:
        written = canonical_json(body)
    except UnicodeEncodeError:
        raise DocumentRefused(kind, key, "text must be Unicode without lone surrogates") from None
    return check_document(Document(kind, key, 0, written))


def new_tombstone(kind: str, key: str) -> CheckedDocument:
    """Return what removes a document, and that nobody has published.

    Raises:
        DocumentRefused: the kind is unknown, or the key is wrong.
    """
    return check_document(Document(kind, key, 0, b"", removed=True))


def _first_reason(error: ValidationError, body: type[Body]) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    match first["type"]:  # the validator's own words, but where they tell a person little
        case "string_pattern_mismatch":
            field = body.model_fields[str(first["loc"][0])]
            what = f"{field.description}, not {str(first['input'])[:80]!r}"
        case "extra_forbidden" if len(first["loc"]) > 1:  # in an object that stands in a field
            what = "no such field"
        case "extra_forbidden":
            what = f"no such field; there are {', '.join(body.model_fields) or 'none'}"
        case "missing":
            what = "this field is needed"
        case _:
            what = first["msg"].removeprefix("Value error, ")
    return f"{place}: {what}" if place else what


def canonical_key(kind: Kind, key: str) -> str:
    """Return the one way to write a key of this kind.

    Raises:
        AddressError, ValueError: it cannot be a key of this kind.
    """
    return _CANONICAL.get(kind, _canonical_name)(key)


def _canonical_name(key: str) -> str:
    if not key or not all(c.isalnum() or c in "-_." for c in key) or len(key) > 64:
        raise ValueError("a name has 1 to 64 letters, digits, dots, dashes or underscores")
    return key


def _canonical_node_name(key: str) -> str:
    if not _NODE_NAME.fullmatch(key):
        raise ValueError("a node's name has 1 to 63 of a-z, 0-9 and -, not beginning with -")
    return key


def canonical_json(body: Mapping[str, Any]) -> bytes:
    """Return the one way to write a body: sorted keys, no blanks, UTF-8."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_CANONICAL: Mapping[Kind, Callable[[str], str]] = {
    Kind.ROUTE: parse_domain,
    Kind.HOLD: parse_domain,
    Kind.RECIPIENT: lambda key: parse_address(key).folded,
    Kind.POLICY: lambda key: str(Scope.parse(key)),
    Kind.LIST: lambda key: list_key(*split_list_key(key)),
    Kind.THREAT: lambda key: threat_key(*split_threat_key(key)),
    Kind.WEIGHT: lambda key: weight_key(*split_weight_key(key)),
    Kind.NODE: _canonical_node_name,
}
