"""What does an inventory say?

Pure. What one value alone can get wrong is refused here; what takes two values to be wrong is in
``check``. Domains are A-labels, addresses in their shortest form.

Source: docs/inventory.md, *Keys*.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from common.address import AddressError, parse_address, parse_domain
from common.preferences.bodies import DEFINITIONS_AGE_H_MAX, TARGETS_MAX, is_list_code
from common.settings.satellite import WORKERS_MAX, EngineSettings, FilterSettings, StsHost
from common.settings.values import (
    STANDBYS_MAX,
    DeliverTo,
    FilePath,
    IpAddress,
    Mailbox,
    Name,
    Resolver,
    Settings,
    Target,
)
from common.sts_text import MAX_AGE_S, MAX_AGE_S_MAX, StsModeName

DNS_LIST = "dnsbl"  # the kind of a filter that is one list of several
# Kinds of which each entry is a document of its own, which one filter of the node goes by.
DOCUMENT_KINDS = frozenset({DNS_LIST, "volume", "checksums"})
CORE_FOLDER = "core"  # of the rendered ones; satellites' folders have their names
CAPACITY_MAX = 1_000_000  # messages per second
SITES_MIN_MAX = 3  # a domain has so many MX at most

REPORTS_TO_MAX = 5

# No comma, exclamation mark or semicolon: they end an address in the record.
_REPORTS_URL = re.compile(r"https://[A-Za-z0-9.:\[\]-]{1,255}(/[A-Za-z0-9._~/?=&%+-]{0,500})?")
_CUSTOMER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class SiteState(StrEnum):
    """Whether a site gets mail."""

    ACTIVE = "active"
    DRAIN = "drain"  # in no MX record, still takes what comes by old ones
    OFF = "off"


class Location(NamedTuple):
    """A place on the globe, in degrees."""

    north: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    east: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


def as_list(value: Any) -> Any:
    """Return a single value as a list of one: where a list may stand, one value may."""
    return value if isinstance(value, list | tuple) else [value]


def not_empty(value: Any) -> Any:
    """Refuse an empty list before its items are looked at; a wrong item makes none empty."""
    if isinstance(value, list | tuple) and not value:
        raise ValueError("is empty; add one")
    return value


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("is no place; write [DEGREES NORTH, DEGREES EAST]")
    return value


def _customer_name(text: str) -> str:
    if not _CUSTOMER_NAME.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no customer's name; write 1 to 100 of a-z, 0-9, dot, - and _"
        )
    return text


def _reason(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("is no reason; write one line that says why")
    return text


def _code(text: str) -> str:
    if not is_list_code(text):
        raise ValueError(f"{text[:80]!r} is no answer of a list; write one such as 127.0.0.2")
    return text


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except AddressError as error:
        raise ValueError(f"{error}; write a domain such as acme.example") from None


def _reports_to(text: str) -> str:
    """Return where reports on TLS go, as it stands in DNS: RFC 8460 section 3."""
    scheme, _, rest = text.partition(":")
    try:
        if scheme == "mailto":
            return f"mailto:{quote(str(parse_address(rest)), safe='@+')}"
        if scheme == "https" and _REPORTS_URL.fullmatch(text):
            return text
    except AddressError:
        pass
    raise ValueError(f"{text[:80]!r} takes no reports; write mailto:ADDRESS or https://HOST/PATH")


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return _domain(text)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{error}; write a network such as 10.77.0.0/16") from None


ItemT = TypeVar("ItemT")

Several = Annotated[tuple[ItemT, ...], BeforeValidator(not_empty)]  # a list, and not empty
OneOrSeveral = Annotated[tuple[ItemT, ...], BeforeValidator(not_empty), BeforeValidator(as_list)]
Place = Annotated[Location, BeforeValidator(_pair)]
CustomerName = Annotated[str, AfterValidator(_customer_name)]
Reason = Annotated[str, Field(max_length=200), AfterValidator(_reason)]
Code = Annotated[str, AfterValidator(_code)]
DomainName = Annotated[str, AfterValidator(_domain)]
Host = Annotated[str, AfterValidator(_host)]
Network = Annotated[str, AfterValidator(_network)]
ReportsTo = Annotated[str, AfterValidator(_reports_to)]
Tree = dict[str, Any]
Workers = Annotated[int, Field(ge=1, le=WORKERS_MAX)]


class MtaSts(Settings):
    """The MTA-STS policy that the nodes serve for every customer's domain."""

    mode: StsModeName = "testing"
    max_age_s: Annotated[int, Field(ge=86_400, le=MAX_AGE_S_MAX)] = MAX_AGE_S
    certificates: FilePath  # a folder on each node: NAME.crt and NAME.key for each host
    hosts: Annotated[tuple[StsHost, ...], BeforeValidator(as_list), Field(max_length=50)] = ()
    # For STARTTLS, on each node, of an authority of the world: who keeps to a policy trusts these.
    smtp_certificate: FilePath | None = None
    smtp_key: FilePath | None = None

    @model_validator(mode="after")
    def _is_trusted(self) -> Self:
        if (self.smtp_certificate is None) != (self.smtp_key is None):
            raise ValueError("smtp_certificate and smtp_key belong together; name both")
        if self.mode == "enforce" and self.smtp_certificate is None:
            raise ValueError(
                "mode enforce keeps out all senders that check, since no authority of the world "
                "signs the nodes' certificates; name smtp_certificate and smtp_key, or write "
                "mode: testing"
            )
        return self


class Cluster(Settings):
    """What all nodes share."""

    name: Name
    mail_domain: DomainName  # of our own host names, banners and bounces
    vpn: OneOrSeveral[Network]
    vpn_port: Annotated[int, Field(ge=1, le=65_535)] = 51_820  # UDP; WireGuard's usual one
    postmaster: Mailbox | None = None
    smarthost: Target | None = None  # for our own bounces; without it the sender's MX
    mta_sts: MtaSts | None = None
    tls_reports: Annotated[OneOrSeveral[ReportsTo], Field(max_length=REPORTS_TO_MAX)] | None = None


class CoreMachine(Settings):
    """A machine that can be the core.

    ``public`` may be a host name: satellites reach it by WireGuard, which resolves.
    """

    name: Name
    public: OneOrSeveral[Host]
    vpn_address: OneOrSeveral[IpAddress]
    settings: Tree = Field(default_factory=dict)  # a standby's win over those of the core


class Core(CoreMachine):
    """The core: one for the whole cluster, on one of its machines."""

    standbys: Annotated[tuple[CoreMachine, ...], Field(max_length=STANDBYS_MAX)] = ()
    runs_on: Name | None = None  # the name of that machine; None: the core's own

    def machines(self) -> dict[str, CoreMachine]:
        """Return its machines by their folders, that on which it runs first."""
        every = {CORE_FOLDER: self} | {machine.name: machine for machine in self.standbys}
        return dict(sorted(every.items(), key=lambda item: item[1].name != self.running))

    @property
    def running(self) -> str:
        """The name of the machine on which it runs."""
        return self.runs_on or self.name


class EngineOrFilter(Settings):
    """An engine or a filter: what its settings may say, and what it weighs."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, value: Any) -> Any:
        """Take a key without a value as one that is left out, where it may be."""
        if not isinstance(value, dict):
            return value
        needed = {name for name, field in cls.model_fields.items() if field.is_required()}
        return {key: item for key, item in value.items() if item is not None or key in needed}


class EngineEntry(EngineOrFilter, EngineSettings):
    """A virus scanner, and where it listens."""

    profile: Annotated[str, Field(min_length=1, max_length=40)] | None = None  # an option
    required: bool = True  # its silence is weighed by the policy key `unavailable`
    definitions_age_max_h: (
        Annotated[float, Field(ge=0, le=DEFINITIONS_AGE_H_MAX, allow_inf_nan=False)] | None
    ) = None  # hours after which they are stale; 0: never; left out: as the preferences' default


class FilterEntry(EngineOrFilter, FilterSettings):
    """A spam test: where its server is, and what it weighs.

    A DNS list, or a limit of volume, is weighed as a whole: its ``options`` stand in its document.
    Those of any other kind are for the filter that is built, and stand in the settings; what stands
    in its document are its ``weights``.
    """

    enabled: bool = True
    weights: dict[str, Annotated[float, Field(allow_inf_nan=False)] | bool | str] = Field(
        default_factory=dict
    )
    zone: DomainName | None = None
    codes: dict[Code, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)

    @property
    def is_document(self) -> bool:
        """Whether it is one of several that one filter of the node goes by."""
        return self.kind in DOCUMENT_KINDS


class Node(Settings):
    """One satellite."""

    name: Name
    public: OneOrSeveral[IpAddress]
    vpn_address: OneOrSeveral[IpAddress]
    workers: Workers | None = None
    settings: Tree = Field(default_factory=dict)  # checked where they are merged: `settings`
    engines: Several[EngineEntry] | None = None


class Site(Settings):
    """A place with satellites behind one MX name."""

    name: Name
    location: Place
    capacity: Annotated[int, Field(ge=1, le=CAPACITY_MAX)] = 100  # messages per second
    state: SiteState = SiteState.ACTIVE
    region: Name | None = None  # what a domain's `regions` may name
    nodes: Several[Node]
    workers: Workers | None = None
    settings: Tree = Field(default_factory=dict)  # checked where they are merged: `settings`
    engines: Several[EngineEntry] | None = None


class ScanServerEntry(Settings):
    """Our engines beside somebody else's mail server: no node, and without a core or the VPN."""

    name: Name
    settings: Tree = Field(default_factory=dict)  # checked where they are merged: `settings`
    engines: Several[EngineEntry] | None = None


# Of these two there may be a million: a fifth of the memory that a ``Settings`` takes.
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class MailDomain:
    """A domain of a customer, and where its mail goes."""

    name: DomainName
    deliver_to: Annotated[OneOrSeveral[DeliverTo], Field(max_length=TARGETS_MAX)]
    location: Place | None = None  # of its mail server; without one, capacity alone decides
    hold_days: Annotated[int, Field(ge=1, le=30)] = 7
    recipients: Literal["any", "listed", "probe"] = "any"
    regions: OneOrSeveral[Name] | None = None  # its mail goes to sites there alone; None: anywhere
    sites_min: Annotated[int, Field(ge=1, le=SITES_MIN_MAX)] = 1  # no plan gives it fewer
    pinned: Name | None = None  # the site that comes first as long as it is active
    fewer_sites_reason: Reason | None = None  # with it, fewer than `sites_min` are a warning


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Customer:
    """An organisation and its domains."""

    name: CustomerName
    domains: Several[MailDomain]


class Head(Settings):
    """All of an inventory but its customers, which may stand in files of their own."""

    cluster: Cluster
    core: Core
    sites: Several[Site]
    resolver: Resolver | None = None
    workers: Workers | None = None
    settings: Tree = Field(default_factory=dict)  # checked where they are merged: `settings`
    engines: Several[EngineEntry] | None = None
    filters: tuple[FilterEntry, ...] = ()
    scan_servers: tuple[ScanServerEntry, ...] = ()


class Inventory(Head):
    """The whole cluster."""

    customers: tuple[Customer, ...]

    @property
    def domains_count(self) -> int:
        """How many domains there are; nothing is sorted for it."""
        return sum(len(customer.domains) for customer in self.customers)

    def domains(self) -> list[tuple[Customer, MailDomain]]:
        """Return every domain with its customer, sorted by the domain's name."""
        found = [(customer, domain) for customer in self.customers for domain in customer.domains]
        return sorted(found, key=lambda pair: pair[1].name)

    def nodes(self) -> list[tuple[Site, Node]]:
        """Return every satellite node with its site, in the inventory's order."""
        return [(site, node) for site in self.sites for node in site.nodes]

    def engines_of(self, site: Site, node: Node) -> tuple[EngineEntry, ...]:
        """Return a node's engines: its own list, else its site's, else the cluster's, else yara."""
        return _nearest(node.engines, site.engines, self.engines)

    def engines_of_scan_server(self, server: ScanServerEntry) -> tuple[EngineEntry, ...]:
        """Return a scanning server's engines: its own list, else the cluster's, else yara."""
        return _nearest(server.engines, self.engines)

    def all_filters(self) -> tuple[FilterEntry, ...]:
        """Return the filters, with those that need no server put before them.

        A filter of the same kind in the inventory takes the place of the built-in one, so that
        ``enabled: false`` can switch it off.
        """
        stated = {item.kind for item in self.filters}
        return tuple(f for f in DEFAULT_FILTERS if f.kind not in stated) + self.filters


def _nearest(*stated: tuple[EngineEntry, ...] | None) -> tuple[EngineEntry, ...]:
    return next((engines for engines in stated if engines is not None), DEFAULT_ENGINES)


DEFAULT_ENGINES = (EngineEntry(name="yara", kind="yara"),)
DEFAULT_FILTERS = (FilterEntry(name="lists", kind="lists"), FilterEntry(name="rules", kind="rules"))
