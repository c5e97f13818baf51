"""What may stand in a document's body, for each kind?

Pure. The page ``docs/documents.md`` is drawn from here: a field's description is its meaning there.
A body with an unknown field is refused, never read in part: a policy that cannot be expressed must
not be ignored.

Long because every kind of document has its body here, as the page of documents shows them.

Source: docs/design/link-guarantees.md, G1, G9, G15.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from common.address import parse_domain
from common.preferences.deliver_to import parse_deliver_to
from common.preferences.forms import PolicyValue
from common.preferences.node_settings import settings_digest
from common.preferences.policy import parse_policy
from common.preferences.scopes import Scope
from common.records.bounds import TIME_US_MAX

PATTERN_LENGTH_MAX = 512  # characters of a rule's expression
TARGETS_MAX = 16  # deliver_to hosts of one domain
YARA_SOURCE_LENGTH_MAX = 48_000  # characters; the worst of them compile within a second
YARA_DOCUMENTS_MAX = 64
YARA_LENGTH_MAX = 200_000  # characters of all together: each new helper compiles them

DEFINITIONS_AGE_H = 168.0  # ClamAV calls its own databases outdated from seven days on
DEFINITIONS_AGE_H_MAX = 8760.0

ADDRESSES_MAX = 32  # of one node
_NODE_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"  # a DNS label, a folder, a word in a command
_HOST = r"^[A-Za-z0-9.:-]{1,253}$"

_ANY_OCTET = re.compile(r"(?<=\.)\*(?=\.|$)")

Points = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]  # of one test


def _within_the_calendar(time_us: int) -> int:
    """Return a time that can be shown: beyond the calendar's end is that end."""
    return min(time_us, TIME_US_MAX)


def _canonical_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text[:80]!r} is no IP address") from None


IpText = Annotated[str, Field(max_length=45), AfterValidator(_canonical_address)]
Port = Annotated[int, Field(ge=1, le=65_535)]


def is_list_code(text: str) -> bool:
    """Say whether a DNS list may answer so; ``*`` is any octet but the first.

    RFC 5782 section 2.1; 127.255.255.* is how lists say that they were asked wrongly.
    """
    try:
        address = ipaddress.IPv4Address(_ANY_OCTET.sub("0", text))
    except ValueError:
        return False
    return address.is_loopback and not text.startswith("127.255.255.")


def _each_is_a_target(targets: tuple[str, ...]) -> tuple[str, ...]:
    for target in targets:
        parse_deliver_to(target)
    return targets


def _canonical_scope(scope: str) -> str:
    return str(Scope.parse(scope))


class _Body(BaseModel):
    """What every body has.

    Args:
        key_form: what the key of such a document is, for people.
        example_key: a key.
        example: a body that goes with it, as it stands in JSON.
        removal: what its removal means.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_form: ClassVar[str]
    example_key: ClassVar[str]
    example: ClassVar[Mapping[str, Any]]
    removal: ClassVar[str]


class RouteBody(_Body):
    """Where a domain's mail goes, and whose it is."""

    key_form = "the domain"
    example_key = "acme.example"
    example = MappingProxyType({"customer": "acme", "deliver_to": ["mail.acme.example:25"]})
    removal = (
        "the domain's mail is refused; what is here already waits for a route "
        "until its days are over, and then goes back to its senders"
    )

    customer: Annotated[
        str, Field(min_length=1, max_length=100, description="whose domain it is; a scope's name")
    ]
    deliver_to: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            max_length=TARGETS_MAX,
            description="the customer's servers, tried in this order: HOST:PORT,"
            " lmtp:HOST:PORT, or NAME/mx for the hosts of an MX that is not us",
        ),
    ]
    hold_days: Annotated[
        int, Field(ge=1, le=30, description="how long mail waits for these servers, in all")
    ] = 7
    recipients: Annotated[
        Literal["any", "listed", "probe"],
        Field(
            description="`listed`: only addresses that have a document of the kind `recipient`;"
            " `probe`: those that the customer's server takes, which is asked for each"
        ),
    ] = "any"

    _targets = field_validator("deliver_to")(_each_is_a_target)


class RecipientBody(_Body):
    """An address that exists, for a domain that lists its recipients."""

    key_form = "the address"
    example_key = "joe@acme.example"
    example = MappingProxyType({})
    removal = "the address is refused, where its domain lists its recipients"


class EngineBody(_Body):
    """What an engine's silence leads to, and how old its definitions may be."""

    key_form = "the engine's name in the inventory"
    example_key = "clamav"
    example = MappingProxyType({"required": False})
    removal = "the engine must answer, as one that nobody has weighed"

    required: Annotated[
        bool,
        Field(
            description="its silence is weighed by the policy key `unavailable`,"
            " its old definitions by `stale`"
        ),
    ] = True
    definitions_age_max_h: Annotated[
        float,
        Field(
            ge=0,
            le=DEFINITIONS_AGE_H_MAX,
            allow_inf_nan=False,
            description="hours after which its definitions are stale; 0: never",
        ),
    ] = DEFINITIONS_AGE_H


class FilterBody(_Body):
    """What a filter weighs; the options belong to its kind."""

    key_form = "the filter's name"
    example_key = "zen"
    example = MappingProxyType(
        {"kind": "dnsbl", "zone": "zen.example", "codes": {"127.0.0.2": 4.0, "127.0.0.10": 2.0}}
    )
    removal = "the filter weighs nothing any more"

    kind: Annotated[
        str,
        Field(min_length=1, max_length=40, description="under the entry point borderscout.filters"),
    ]
    enabled: Annotated[bool, Field(description="`false`: it is not asked")] = True
    zone: Annotated[
        str, Field(max_length=253, description="of a DNS list: the domain below which it answers")
    ] = ""
    codes: Annotated[
        dict[str, Points],
        Field(
            description="of a DNS list: the points of each answer, -100 to 100;"
            " `127.0.*.3`: any number in that place"
        ),
    ] = Field(default_factory=dict)
    options: Annotated[
        dict[str, float | str | bool], Field(description="what its kind takes besides")
    ] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        return parse_domain(zone) if zone else zone

    @field_validator("codes")
    @classmethod
    def _codes(cls, codes: dict[str, float]) -> dict[str, float]:
        for code in codes:
            if not is_list_code(code):
                raise ValueError(f"{code} is no answer of a list; use 127.0.0.0/8, not 127.255.255")
        return codes


class RuleBody(_Body):
    """A pattern over a header, the sender or what is inside a message, in RE2's syntax."""

    key_form = "the rule's name, which stands in the verdict"
    example_key = "LOTTERY"
    example = MappingProxyType({"field": "subject", "pattern": "(?i)you have won", "score": 3.0})
    removal = "it adds no points any more"

    scope: Annotated[str, Field(description="whose mail it is applied to")] = "cluster"
    field: Annotated[
        str,
        Field(
            pattern=r"^(subject|sender|body|url|attachment(:kind|:type)?|header:[!-9;-~]{1,76})$",
            description="where it looks: `subject`, `sender`, `header:NAME`, `body`, `url`,"
            " `attachment` (names), `attachment:kind` (what one is by its content) or"
            " `attachment:type` (what the sender says it is)",
        ),
    ]
    pattern: Annotated[
        str,
        Field(
            min_length=1, max_length=PATTERN_LENGTH_MAX, description="an expression in RE2's syntax"
        ),
    ]
    score: Annotated[Points, Field(description="the points of a match")]

    @property
    def is_on_content(self) -> bool:
        """Whether it looks at what is inside a message."""
        return self.field.startswith(("body", "url", "attachment"))

    _scope = field_validator("scope")(_canonical_scope)


class PolicyBody(_Body):
    """Policy keys of one scope; what is not said comes from the next scope outwards."""

    model_config = ConfigDict(extra="allow", frozen=True)

    key_form = "the scope"
    example_key = "domain/acme.example"
    example = MappingProxyType({"score.mark": 4, "virus": "drop"})
    removal = "the next scope outwards says all of its keys"

    def model_post_init(self, _context: object) -> None:
        self.settings  # noqa: B018 - read once, here, where what is wrong is refused

    @cached_property  # a message asks for it: pydantic's own private fields are slow to get at
    def settings(self) -> Mapping[str, PolicyValue]:
        """What the scope sets, by the fields of ``Policy``."""
        return parse_policy(self.model_extra or {})


class ListBody(_Body):
    """Why a list entry is there, who added it, and until when it stands."""

    key_form = (
        "COLOUR/SCOPE/PATTERN: `black` or `white`, a scope, and a pattern (an address, a domain,"
        " `.domain` for it and all below it, a network, or `header:NAME:EXPRESSION`)"
    )
    example_key = "white/domain/acme.example/partner.example"
    example = MappingProxyType({"reason": "a partner", "by": "joe", "until_us": 1924992000000000})
    removal = "the entry is gone"

    reason: Annotated[str, Field(max_length=500, description="why; it stands beside the entry")] = (
        ""
    )
    until_us: Annotated[
        int,
        Field(ge=0, description="when it ends, microseconds since 1970 UTC; 0: it stands for good"),
        AfterValidator(_within_the_calendar),
    ] = 0
    by: Annotated[
        str, Field(max_length=100, description="who added it, as `list add` and `import` write it")
    ] = ""
    added_us: Annotated[
        int,
        Field(ge=0, description="when, microseconds since 1970 UTC; 0: it is not known"),
        AfterValidator(_within_the_calendar),
    ] = 0

    def stands_at(self, now_us: int) -> bool:
        """Say whether the entry has not ended; the time in microseconds since the epoch, UTC."""
        return not self.until_us or now_us < self.until_us


class ThreatBody(_Body):
    """What a threat of this name is, when an engine names it: no virus, but spam or nothing."""

    key_form = "ENGINE/NAME: an engine's name or `*`, and a threat's name, in which `*` may stand"
    example_key = "clamav/Sanesecurity.Phishing.*"
    example = MappingProxyType({"action": "spam", "score": 8.0, "reason": "phishing, no program"})
    removal = "the threat is a virus again"

    action: Annotated[
        Literal["ignore", "spam"],
        Field(description="`ignore`: it is nothing, a false positive; `spam`: it adds points"),
    ]
    score: Annotated[
        float,
        Field(gt=0, le=100, allow_inf_nan=False, description="of `spam`: the points that it adds"),
    ] = 10.0
    reason: Annotated[str, Field(max_length=500, description="why; it stands beside the entry")] = (
        ""
    )
    until_us: Annotated[
        int,
        Field(ge=0, description="when it ends, microseconds since 1970 UTC; 0: it stands for good"),
        AfterValidator(_within_the_calendar),
    ] = 0

    def stands_at(self, now_us: int) -> bool:
        """Say whether the entry has not ended; the time in microseconds since the epoch, UTC."""
        return not self.until_us or now_us < self.until_us


class YaraBody(_Body):
    """YARA rules that every engine of the kind ``yara`` matches beside its own."""

    key_form = "a name for the rules, which the verdict shows where they have a scope"
    example_key = "invoices"
    example = MappingProxyType(
        {
            "source": 'rule Invoice { meta: threat = "Acme.Invoice" strings: $a = "pay at once"'
            " condition: $a }",
            "reason": "a wave of them since Monday",
        }
    )
    removal = "these rules match no more"

    scope: Annotated[
        str,
        Field(
            description="whose mail a match concerns; nobody else's verdict, header or reason"
            " tells of it"
        ),
    ] = "cluster"
    source: Annotated[
        str,
        Field(
            min_length=1,
            max_length=YARA_SOURCE_LENGTH_MAX,
            description="the text of a rule file, which has to compile",
        ),
    ]
    reason: Annotated[str, Field(max_length=500, description="why; it stands beside the rules")] = (
        ""
    )

    _scope = field_validator("scope")(_canonical_scope)


class WeightBody(_Body):
    """The points of a filter's test, instead of its own."""

    key_form = (
        "SCOPE/TEST: a scope, and a test's name as the header shows it; `*` at its end: all that"
        " begin so"
    )
    example_key = "domain/acme.example/RULE_LOTTERY"
    example = MappingProxyType({"score": 1.5, "reason": "they run a lottery"})
    removal = "the test has its own points, or those of a wider scope"

    score: Annotated[
        Points | None, Field(description="the points that it has; 0 switches it off")
    ] = None
    factor: Annotated[
        Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None,
        Field(description="instead of `score`: its own points are multiplied by this"),
    ] = None
    reason: Annotated[
        str, Field(max_length=500, description="why; it stands beside the weight")
    ] = ""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.score is None) == (self.factor is None):
            raise ValueError("a weight has either `score` or `factor`")
        return self


class HoldBody(_Body):
    """What an operator ordered for the mail that is held for a domain.

    It stands above the route until it is removed, so that it reaches a site that was away too.
    """

    key_form = "the domain"
    example_key = "acme.example"
    example = MappingProxyType({"hold_days": 14, "reason": "new office"})
    removal = "the route alone says how long mail waits and where it goes"

    hold_days: Annotated[
        Annotated[int, Field(ge=1, le=30)] | None, Field(description="instead of the route's")
    ] = None
    deliver_to: Annotated[
        tuple[str, ...],
        Field(max_length=TARGETS_MAX, description="instead of the route's"),
    ] = ()
    bounce_before_us: Annotated[
        int,
        Field(
            ge=0,
            description="held mail that was accepted before this time (microseconds since 1970 UTC)"
            " goes back to its senders; 0: none does",
        ),
        AfterValidator(_within_the_calendar),
    ] = 0
    reason: Annotated[str, Field(max_length=500, description="why; it stands beside the order")] = (
        ""
    )

    _targets = field_validator("deliver_to")(_each_is_a_target)


class CoreWireGuard(BaseModel):
    """Where a node's tunnel ends: the core."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    public: Annotated[
        tuple[Annotated[str, Field(pattern=_HOST)], ...],
        Field(
            min_length=1,
            max_length=ADDRESSES_MAX,
            description="the core's addresses or host names in the world",
        ),
    ]
    port: Annotated[Port, Field(description="where its WireGuard listens")]
    vpn_addresses: Annotated[
        tuple[IpText, ...],
        Field(min_length=1, max_length=ADDRESSES_MAX, description="the core's in the VPN"),
    ]


class NodeWireGuard(BaseModel):
    """What a node's WireGuard interface is made of, beside the keys, which stand in no document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: Annotated[Port, Field(description="where the node's WireGuard listens")]
    core: Annotated[CoreWireGuard, Field(description="the other end of its tunnel")]


class NodeBody(_Body):
    """A node that may link, where it is, and which settings are meant for it."""

    key_form = "the node's name in the inventory"
    example_key = "lon1"
    example = MappingProxyType(
        {
            "site": "london",
            "addresses": ["192.0.2.10", "10.77.1.1"],
            "vpn_addresses": ["10.77.1.1"],
            "settings": {"node": "lon1", "site": "london", "workers": 2},
            "digest": "8bc3f032653b09128043fb3d37bc1244059583fd6d8fcf0f6c8e7bfb8e65e04f",
            "wireguard": {
                "port": 51820,
                "core": {
                    "public": ["core.scout.example"],
                    "port": 51820,
                    "vpn_addresses": ["10.77.0.1"],
                },
            },
        }
    )
    removal = (
        "the node is turned away and its open streams end, unless the core's own settings name it"
    )

    site: Annotated[str, Field(pattern=_NODE_NAME, description="the site that it belongs to")]
    addresses: Annotated[
        tuple[IpText, ...],
        Field(
            max_length=ADDRESSES_MAX,
            description="where it is reached, in the world and in the VPN: no route may lead there",
        ),
    ] = ()
    vpn_addresses: Annotated[
        tuple[IpText, ...],
        Field(max_length=ADDRESSES_MAX, description="which of them are in the VPN"),
    ] = ()
    settings: Annotated[
        dict[str, Any],
        Field(
            description="its `satellite.yaml` as a tree, without a secret, at most 60 000 octets;"
            " the node takes them when the core tells it to, not when they arrive"
        ),
    ]
    digest: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 of `settings`: of their JSON with sorted keys and without blanks",
        ),
    ]
    wireguard: Annotated[
        NodeWireGuard | None,
        Field(description="its WireGuard interface, but for the keys; left out: it has none"),
    ] = None

    @model_validator(mode="after")
    def _has_the_digest_of_its_settings(self) -> Self:
        is_digest = settings_digest(self.settings)
        if self.digest != is_digest:
            raise ValueError(f"digest is not that of the settings, which is {is_digest}")
        return self


Body = (
    RouteBody
    | RecipientBody
    | EngineBody
    | FilterBody
    | RuleBody
    | PolicyBody
    | ListBody
    | ThreatBody
    | HoldBody
    | YaraBody
    | WeightBody
    | NodeBody
)
