"""Which documents are there, and what may stand in them?

Pure. A document is (kind, key, body). A body with an unknown field is refused, never read in part:
a policy that cannot be expressed must not be ignored. Source: SYNC.md G1, G9, G15.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import total_ordering
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from common.address import AddressError, parse_address, parse_domain
from common.errors import PeerError
from common.preferences.patterns import compile_pattern
from common.preferences.policy import check_policy_value

BODY_BYTES_MAX = 65_536  # one document; a batch of many stays below gRPC's 4 MiB
KEY_LENGTH_MAX = 600  # characters: a colour, a scope and a pattern of 254 each
PATTERN_LENGTH_MAX = 512  # characters of a rule's expression
TARGETS_MAX = 16  # deliver_to hosts of one domain


Points = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]  # of one test


class Kind(StrEnum):
    """The kinds of document, in the order in which they take effect."""

    ROUTE = "route"  # key: domain
    RECIPIENT = "recipient"  # key: address
    ENGINE = "engine"  # key: engine name
    FILTER = "filter"  # key: filter name
    RULE = "rule"  # key: rule name
    POLICY = "policy"  # key: scope
    LIST = "list"  # key: COLOUR/SCOPE/PATTERN
    HOLD = "hold"  # key: domain


class DocumentRefused(PeerError):
    """A document cannot be applied."""

    def __init__(self, kind: str, key: str, reason: str) -> None:
        super().__init__(f"{kind} {key}: {reason}")
        self.kind = kind
        self.key = key
        self.reason = reason


class ScopeLevel(IntEnum):
    """How near a scope is to one recipient; the nearer one wins."""

    CLUSTER = 0
    CUSTOMER = 1
    DOMAIN = 2
    RECIPIENT = 3


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """To whom a policy, list entry or rule applies."""

    level: ScopeLevel
    name: str = ""

    def __str__(self) -> str:
        return f"{self.level.name.lower()}/{self.name}" if self.name else "cluster"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the scope that a text such as ``customer/acme`` names.

        Raises:
            AddressError: it is none of these.
        """
        if text == "cluster":
            return cls(ScopeLevel.CLUSTER)
        word, _, name = text.partition("/")
        match word:
            case "customer" if name and name.isprintable() and "/" not in name:
                return cls(ScopeLevel.CUSTOMER, name)
            case "domain" if name:
                return cls(ScopeLevel.DOMAIN, parse_domain(name))
            case "recipient" if name:
                return cls(ScopeLevel.RECIPIENT, parse_address(name).folded)
        raise AddressError(
            f"{text[:80]!r} is no scope; "
            "write cluster, customer/NAME, domain/NAME or recipient/ADDRESS"
        )


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


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RouteBody(_Body):
    """Where a domain's mail goes, and whose it is."""

    customer: Annotated[str, Field(min_length=1, max_length=100)]
    deliver_to: Annotated[tuple[str, ...], Field(min_length=1, max_length=TARGETS_MAX)]
    hold_days: Annotated[int, Field(ge=1, le=30)] = 7
    recipients: Literal["any", "listed"] = "any"

    @field_validator("deliver_to")
    @classmethod
    def _targets(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        for target in targets:
            split_target(target)
        return targets


class RecipientBody(_Body):
    """An address that exists, for a domain that lists its recipients."""


class EngineBody(_Body):
    """What an engine's silence leads to."""

    required: bool = True  # its absence is weighed by the policy key `unavailable`


class FilterBody(_Body):
    """What a filter weighs; the options belong to its kind."""

    kind: Annotated[str, Field(min_length=1, max_length=40)]
    enabled: bool = True
    zone: Annotated[str, Field(max_length=253)] = ""
    codes: dict[str, Points] = Field(default_factory=dict)
    options: dict[str, float | str | bool] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        return parse_domain(zone) if zone else zone

    @field_validator("codes")
    @classmethod
    def _codes(cls, codes: dict[str, float]) -> dict[str, float]:
        for code in codes:
            address = ipaddress.IPv4Address(code)
            if not address.is_loopback or code.startswith("127.255.255."):
                raise ValueError(f"{code} is no answer of a list; use 127.0.0.0/8, not 127.255.255")
        return codes


class RuleBody(_Body):
    """A pattern over the subject, a header or the sender, in RE2's syntax."""

    scope: str = "cluster"
    field: Annotated[str, Field(pattern=r"^(subject|sender|header:[!-9;-~]{1,76})$")]
    pattern: Annotated[str, Field(min_length=1, max_length=PATTERN_LENGTH_MAX)]
    score: Points

    @field_validator("scope")
    @classmethod
    def _scope(cls, scope: str) -> str:
        return str(Scope.parse(scope))


class PolicyBody(_Body):
    """Policy keys of one scope; what is not said comes from the next scope outwards."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def model_post_init(self, _context: object) -> None:
        for key, value in (self.model_extra or {}).items():
            check_policy_value(key, value)


class ListBody(_Body):
    """Why a list entry is there, and until when."""

    reason: Annotated[str, Field(max_length=500)] = ""
    until_us: Annotated[int, Field(ge=0)] = 0  # microseconds since the epoch; 0: for good


class HoldBody(_Body):
    """What an operator ordered for the mail that is held for a domain.

    It stands above the route until it is removed, so that it reaches a site that was away too.
    """

    hold_days: Annotated[int, Field(ge=1, le=30)] | None = None  # instead of the route's
    deliver_to: Annotated[tuple[str, ...], Field(max_length=TARGETS_MAX)] = ()  # likewise
    # What was accepted before this time and is still held goes back to its sender; microseconds
    # since the epoch, 0: nothing does.
    bounce_before_us: Annotated[int, Field(ge=0)] = 0
    reason: Annotated[str, Field(max_length=500)] = ""

    @field_validator("deliver_to")
    @classmethod
    def _targets(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        for target in targets:
            split_target(target)
        return targets


class ListColour(StrEnum):
    BLACK = "black"
    WHITE = "white"


Body = (
    RouteBody
    | RecipientBody
    | EngineBody
    | FilterBody
    | RuleBody
    | PolicyBody
    | ListBody
    | HoldBody
)

_BODIES: dict[Kind, type[_Body]] = {
    Kind.ROUTE: RouteBody,
    Kind.RECIPIENT: RecipientBody,
    Kind.ENGINE: EngineBody,
    Kind.FILTER: FilterBody,
    Kind.RULE: RuleBody,
    Kind.POLICY: PolicyBody,
    Kind.LIST: ListBody,
    Kind.HOLD: HoldBody,
}


@dataclass(frozen=True, slots=True)
class Document:
    """One document, or its tombstone.

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
    parsed: Any = field(default=None, compare=False, repr=False)  # the Body, once checked


def check_document(document: Document) -> Document:
    """Return the document with its key in canonical form and its body parsed.

    Raises:
        DocumentRefused: the kind is unknown, the key or the body is wrong.
    """
    try:
        kind = Kind(document.kind)
    except ValueError:
        raise DocumentRefused(document.kind, document.key, "unknown kind") from None
    if len(document.key) > KEY_LENGTH_MAX or len(document.body) > BODY_BYTES_MAX:
        raise DocumentRefused(document.kind, document.key[:80], "too long")
    try:
        key = canonical_key(kind, document.key)
        if document.removed:
            return Document(kind, key, document.revision, b"", True)
        parsed = _BODIES[kind].model_validate_json(document.body)
        if isinstance(parsed, RuleBody):
            compile_pattern(parsed.pattern)
    except ValidationError as error:
        raise DocumentRefused(document.kind, document.key, _first_reason(error)) from None
    except (AddressError, ValueError) as error:
        raise DocumentRefused(document.kind, document.key, str(error)) from None
    return Document(kind, key, document.revision, document.body, False, parsed)


def _first_reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def canonical_key(kind: Kind, key: str) -> str:
    """Return the one way to write a key of this kind.

    Raises:
        AddressError, ValueError: it cannot be a key of this kind.
    """
    match kind:
        case Kind.ROUTE | Kind.HOLD:
            return parse_domain(key)
        case Kind.RECIPIENT:
            return parse_address(key).folded
        case Kind.POLICY:
            return str(Scope.parse(key))
        case Kind.LIST:
            colour, scope, pattern = split_list_key(key)
            return list_key(colour, scope, pattern)
        case _:
            if not key or not all(c.isalnum() or c in "-_." for c in key) or len(key) > 64:
                raise ValueError("a name has 1 to 64 letters, digits, dots, dashes or underscores")
            return key


def list_key(colour: ListColour, scope: Scope, pattern: str) -> str:
    """Return the key of a list entry, with its pattern in canonical form."""
    return f"{colour}/{scope}/{canonical_pattern(pattern)}"


def split_list_key(key: str) -> tuple[ListColour, Scope, str]:
    """Return colour, scope and pattern of a list entry's key.

    Raises:
        AddressError, ValueError: it is no such key.
    """
    colour, _, rest = key.partition("/")
    if rest.startswith("cluster/"):
        return ListColour(colour), Scope.parse("cluster"), rest.removeprefix("cluster/")
    level, _, rest = rest.partition("/")
    cut = rest.find("/", _local_part_end(rest) if level == "recipient" else 0)
    if cut < 0:
        raise ValueError("a list entry's key is COLOUR/SCOPE/PATTERN")
    return ListColour(colour), Scope.parse(f"{level}/{rest[:cut]}"), rest[cut + 1 :]


def _local_part_end(rest: str) -> int:
    """Return where a recipient's local part ends: it may hold a slash, and in quotes an @."""
    if rest.startswith('"'):
        return rest.find('"@', 1) + 1
    return rest.find("@")


def canonical_pattern(pattern: str) -> str:
    """Return a list pattern in canonical form: address, domain, ``.domain`` or network.

    Raises:
        AddressError: it is none of these.
    """
    if "@" in pattern:
        return parse_address(pattern).folded
    try:
        return str(ipaddress.ip_network(pattern, strict=False))
    except ValueError:
        pass
    if pattern.startswith("."):
        return "." + parse_domain(pattern[1:])
    return parse_domain(pattern)


def split_target(target: str) -> tuple[str, int]:
    """Return host and port of a ``deliver_to`` entry such as ``mail.acme.example:25``.

    An IPv6 address stands in brackets; without a port it is 25.

    Raises:
        ValueError: it is no such entry.
    """
    host, colon, port = target.rpartition(":")
    if not colon or target.endswith("]"):
        host, port = target, "25"
    if not port.isdigit() or not 1 <= int(port) <= 65_535:
        raise ValueError(f"{target!r} has no valid port; write HOST:PORT")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare)), int(port)
    except ValueError:
        pass
    try:
        return parse_domain(bare), int(port)
    except AddressError as error:
        raise ValueError(str(error)) from None


def canonical_json(body: dict[str, Any]) -> bytes:
    """Return the one way to write a body: sorted keys, no blanks, UTF-8."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
