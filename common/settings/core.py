"""What may the core's settings say?

Pure. The texts below the fields are those of docs/settings.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from common.address import AddressError, parse_domain
from common.join_token import DOOR_LENGTH_MAX
from common.settings.values import (
    CORE_ADDRESSES_MAX,
    STANDBYS_MAX,
    CertificateSerial,
    DomainOrNone,
    Endpoint,
    EndpointOrNone,
    FilePath,
    HttpBase,
    HttpUrl,
    IpAddress,
    Name,
    Seconds,
    Settings,
    WireGuardKeyOrNone,
    endpoint,
    split_endpoint,
)

LOOK_COUNTS_DAYS_MIN = 62  # beyond what a node may still have to tell: no day comes back as a part
SECOND_LOOK_HOURS = 24.0  # a mailing is over by then, and definitions have followed


def _checked_door(text: str) -> str:
    """Accept what a token can name: A-labels, with their length in one octet."""
    host, port = split_endpoint(text)
    try:
        door = text if text.isascii() else endpoint(parse_domain(host), port)
    except AddressError as error:
        raise ValueError(f"{error.what}; write HOST:PORT") from None
    if len(door) > DOOR_LENGTH_MAX:
        raise ValueError(f"a door of {len(door)} characters; take {DOOR_LENGTH_MAX} at the most")
    return door


Door = Annotated[Endpoint, AfterValidator(_checked_door)]


class NodeEntry(Settings):
    """A satellite node that may link; any other is turned away."""

    name: Name
    """The node's name."""
    site: Name
    """The site that it belongs to."""
    addresses: list[IpAddress] = Field(default_factory=list)
    """Where it is reached, in the world and in the VPN: no route may lead there."""
    vpn_addresses: list[IpAddress] = Field(default_factory=list)
    """Which of them are in the VPN."""
    certificates: list[CertificateSerial] = Field(default_factory=list, max_length=16)
    """The serial numbers of its certificates that are let in; empty: any with its name."""


class TlsSettings(Settings):
    """The core's side of the link."""

    certificate: FilePath
    """The core's certificate."""
    key: FilePath
    """The private key of that certificate."""
    authority: FilePath
    """The certificate of the cluster's authority, which signs the nodes'."""


class JoinSettings(Settings):
    """How a node joins that has no certificate yet, and who signs the one that it gets."""

    listen: EndpointOrNone = ""
    """Where the join door is, over HTTPS; empty: nowhere, and no node joins."""
    public: Annotated[list[Door], Field(max_length=8)] = Field(default_factory=list)
    """Where nodes reach it from the world; tokens say it."""
    issuer: FilePath = "issuer.crt"
    """The certificate of the authority below the cluster's, with which the core signs."""
    issuer_key: FilePath = "issuer.key"
    """The private key of that certificate."""


class CoreWireGuardSettings(Settings):
    """The core's end of the nodes' tunnels."""

    file: FilePath = ""
    """The file of its interface, in which the core keeps the peers of the nodes that have joined;
    empty: nowhere, and nodes that join get no tunnel."""
    state: FilePath = ""
    """The file in which `borderscout wireguard` tells how the tunnels fare, for metrics, `status`
    and `doctor`; empty: there are none."""


class OtherCore(Settings):
    """Another machine that can be the core: nodes that join are told of it."""

    name: Name
    """The machine's name."""
    link: Endpoint
    """Where it takes links, once the core runs there."""
    vpn_addresses: list[IpAddress] = Field(default_factory=list, max_length=CORE_ADDRESSES_MAX)
    """Its addresses in the VPN."""
    tunnel: list[Endpoint] = Field(default_factory=list, max_length=CORE_ADDRESSES_MAX)
    """Where its end of the tunnels is reached, over UDP."""
    wireguard_key: WireGuardKeyOrNone = ""
    """The public key of its end; empty: it has no tunnel."""


class FreshclamSettings(Settings):
    """How the core fetches ClamAV's definitions itself; empty lists: only what the others say."""

    program: FilePath = "freshclam"
    """The program, by name or path."""
    mirrors: list[HttpBase] = Field(default=["https://database.clamav.net"], max_length=8)
    """Where the official databases are, and their version in DNS; the next when one fails."""
    private_mirrors: list[HttpBase] = Field(default_factory=list, max_length=8)
    """Mirrors of your own, asked without DNS, instead of ``mirrors``."""
    custom_urls: list[HttpUrl] = Field(default_factory=list, max_length=50)
    """Databases of others, fetched beside the official ones."""
    proxy: EndpointOrNone = ""
    """The web proxy that leads there; empty: none."""
    official: bool = True
    """Whether the official databases are fetched at all."""
    every_s: Seconds = Field(default=1800.0, ge=1.0)
    """Between two looks; ClamAV asks for at most 50 a day."""


class CoreDefinitionsSettings(Settings):
    """Virus definitions: where they come from, how they are tried, who gets them."""

    listen: EndpointOrNone = ""
    """Where satellites fetch them, over HTTPS with the link's certificates; empty: nowhere."""
    freshclam: FreshclamSettings | None = None
    """Fetch ClamAV's definitions; left out: nothing is fetched."""
    mirror: FilePath = ""
    """A folder that somebody else fills, such as cvdupdate, instead of ``freshclam``."""
    clamd: FilePath = "clamd"
    """The program that each set is tried with, by name or path."""
    gate: Literal["clamd", "none"] = "clamd"
    """``none``: sets go out untried. Then one that is broken reaches the first site."""
    samples: FilePath = ""
    """A folder of harmless mail of your own, in which no set may find anything."""
    memory_bytes: int = Field(default=6_442_450_944, ge=134_217_728, le=1_099_511_627_776)
    """The address space of the trial; the official set takes two to three GiB."""
    load_s: Seconds = 300.0
    """A set that is not loaded after so long is refused."""
    keep: int = Field(default=4, ge=2, le=100)
    """How many sets stay on the disk, to go back to."""
    turn_s: Seconds = 600.0
    """A site that has not loaded a set after so long in its turn stops the roll-out."""
    away_s: Seconds = 60.0
    """A site that is not heard for so long is passed over; it has its turn when it is back."""
    stale_s: Seconds = 259_200.0
    """Definitions that were made longer ago are a problem in ``status``."""

    @model_validator(mode="after")
    def _come_from_one_place(self) -> Self:
        if self.mirror and self.freshclam is not None:
            raise ValueError(
                "freshclam would write into the mirror, which somebody else fills; name one of them"
            )
        return self


class LearningSettings(Settings):
    """Lessons: mail of which customers said what it is, kept for the filters that learn from it.
    Beyond a bound the oldest go; what was learned of them stays learned."""

    days: Annotated[int, Field(ge=1, le=3650)] = 90
    """For how many days a lesson is kept, for learners that come later."""
    lessons_per_customer: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """How many lessons of one customer are kept."""
    bytes_per_customer: Annotated[int, Field(ge=1_048_576)] = 16_777_216
    """And how many octets."""
    bytes_max: Annotated[int, Field(ge=1_048_576)] = 268_435_456
    """Octets of all customers' lessons; those of whoever has the most go first."""


Days = Annotated[int, Field(ge=1, le=3650)]


class RetentionSettings(Settings):
    """For how many days the core keeps what, by its own clock since it came. What is older goes
    within hours, a little at a time."""

    records_days: Annotated[int, Field(ge=7, le=3650)] = 90
    """Log records: what ``track`` tells of a message step by step, and events in the lives of
    nodes. Those of a message that has not ended stay."""
    refusals_days: Days = 30
    """What was refused, with its records; at most ``records_days``."""
    messages_days: Annotated[int, Field(ge=7, le=3650)] = 180
    """Messages and how they ended, for ``track`` and ``report``; at least ``records_days``."""
    unended_days: Annotated[int, Field(ge=60, le=3650)] = 730
    """Messages whose end never came, since its record is lost; at least ``messages_days``."""
    bodies_days: Days = 30
    """The bodies of quarantined mail since they are here whole."""
    bodies_days_by_reason: dict[str, Days] = Field(default_factory=dict, max_length=100)
    """Other days for a reason, such as ``{spam: 14, virus: 60}``."""
    cases_days: Annotated[int, Field(ge=7, le=3650)] = 400
    """What is known of quarantined mail whose body is deleted."""
    dead_days: Days = 14
    """What a life of a shard left that is over: quarantined mail that never arrived whole."""
    changes_days: Annotated[int, Field(ge=30, le=3650)] = 400
    """Revisions of the preferences: how far ``policy rollback`` and ``history`` go back; the newest
    100 stay. A satellite that is farther behind gets all documents."""
    audit_days: Annotated[int, Field(ge=30, le=3650)] = 1100
    """Who changed what."""

    @model_validator(mode="after")
    def _stand_on_each_other(self) -> Self:
        for shorter, longer in (
            ("refusals_days", "records_days"),
            ("records_days", "messages_days"),
            ("messages_days", "unended_days"),
        ):
            if getattr(self, shorter) > getattr(self, longer):
                raise ValueError(f"{longer} is less than {shorter}")
        return self

    def days_by_class(self) -> dict[str, int]:
        """Return for how many days each class is kept; of bodies, the longest of all reasons."""
        return {
            "records": self.records_days,
            "refusals": self.refusals_days,
            "messages": self.messages_days,
            "bodies": max((self.bodies_days, *self.bodies_days_by_reason.values())),
            "cases": self.cases_days,
            "arriving": self.dead_days,
            "changes": self.changes_days,
            "audit": self.audit_days,
            "outboxes": self.records_days,
        }


class CoreSettings(Settings):
    """One core."""

    cluster: Name
    """The cluster's name."""
    name: Name
    """The core's name."""
    http: Endpoint
    """Where the REST API, metrics and health are served."""
    grpc: Endpoint
    """Where the satellites' links are taken."""
    tls: TlsSettings
    mail_domain: DomainOrNone = ""
    """The nodes' names are below it: no route may lead there; empty: no name is known."""
    token_file: FilePath = "token"  # noqa: S105 - a file name
    """The bearer token of the API; its mode is 0600."""
    state: FilePath = "state"
    """The folder of the database and of quarantined bodies."""
    database: str = ""
    """An SQLAlchemy URL; empty: SQLite in the state folder."""
    nodes: list[NodeEntry] = Field(default_factory=list)
    first_revision: FilePath = "preferences.json"
    """The documents that are taken in when the store is empty."""
    bookmark_s: Seconds = 5.0
    """Between two bookmarks on a quiet stream."""
    second_look_hours: Annotated[float, Field(ge=0, le=168)] = SECOND_LOOK_HOURS
    """For how long the risky parts of delivered mail are compared with what engines name a threat
    of since, at any site; 0: not at all."""
    look_counts_days: Annotated[int, Field(ge=LOOK_COUNTS_DAYS_MIN, le=3650)] = 400
    """For how many days it is kept what engines said in all, which `report engines` tells."""
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    quarantine_bytes_per_node_max: Annotated[int, Field(ge=0)] = 0
    """Octets of quarantined mail that are kept for one node; beyond, its mail waits there.
    0: a third of the disk."""
    claim_wait_s: Seconds = 30.0
    """A release that no shard has claimed for so long goes to another one."""
    definitions: CoreDefinitionsSettings = Field(default_factory=CoreDefinitionsSettings)
    join: JoinSettings = Field(default_factory=JoinSettings)
    wireguard: CoreWireGuardSettings = Field(default_factory=CoreWireGuardSettings)
    other_cores: list[OtherCore] = Field(default_factory=list, max_length=STANDBYS_MAX)
    learning: LearningSettings = Field(default_factory=LearningSettings)
