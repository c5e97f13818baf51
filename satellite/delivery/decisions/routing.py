"""Which route does a recipient's mail take: the customer's server, MX or the smart host?

Pure: the answers of DNS come in as arguments. A customer's domain goes to the hosts of its route,
in their order, and never by its MX, which leads back to us. Only our own DSNs, and mail for our
postmaster, leave for domains that are nobody's route.

Source: RFC 5321 section 5.1 (MX, implicit MX, loops), RFC 7505 (null MX), RFC 3463 for the codes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from common.address import domain_of, literal_address
from common.frozen import dataclass
from common.preferences import Policy, Preferences
from common.preferences.deliver_to import Target, parse_deliver_to, split_target
from common.preferences.policy import DEFAULT_POLICY, TlsPolicy
from satellite.delivery.decisions.hold import HOLD_DAYS_DEFAULT
from satellite.delivery.decisions.outcome import STATUS_NOT_LOOKED_UP, RecipientResult, Stage
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.model.messages import Origin

EXCHANGES_MAX = 10  # MX hosts that are tried; a domain may publish hundreds


_TO_STRANGERS = replace(DEFAULT_POLICY, tls=TlsPolicy.AUTO)


class Via(StrEnum):
    """How a destination's hosts are found."""

    ROUTE = "route"  # deliver_to of the domain's route
    SMARTHOST = "smarthost"
    MX = "mx"


class Destination(NamedTuple):
    """What shares a queue, a hold and connections: a domain, or the smart host.

    A tuple, since each message looks it up many times.
    """

    via: Via
    name: str

    @property
    def mark(self) -> str:
        """What a hold is remembered by: a domain never holds a colon, so no two are the same."""
        return self.name if self.via is Via.ROUTE else f"{self.via}:{self.name}"


@dataclass(frozen=True, slots=True)
class Leg:
    """The way of one recipient from here on."""

    destination: Destination
    address: str  # as it is said to the next hop
    customer: str
    hold_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Who we are, so that mail never comes back to us, and what settings say of our own mail."""

    mail_domain: str
    hostname: str
    addresses: frozenset[str] = frozenset()
    listeners: frozenset[tuple[str, int]] = frozenset()  # addresses and ports
    postmaster: str = ""
    smarthost: str = ""

    def is_us(self, target: Target, name: str) -> bool:
        """Say whether a host that calls itself by a name is this cluster, so that mail comes back.

        A smart host may well be named below our mail domain; it is not us unless it is this node.
        """
        if self.smarthost and target == Target(*split_target(self.smarthost)):
            return name.lower() == self.hostname
        return self.is_host(name)

    def listens_at(self, address: str, port: int) -> bool:
        """Say whether an address and port are where this node takes mail itself."""
        if (address, port) in self.listeners:
            return True
        wildcard = "::" if ":" in address else "0.0.0.0"  # noqa: S104 - compared, not bound
        return ipaddress.ip_address(address).is_loopback and (wildcard, port) in self.listeners

    def is_host(self, host: str) -> bool:
        """Say whether a host is one of this cluster's: its nodes are named below mail_domain."""
        name = host.lower().removesuffix(".")
        return name in (self.hostname, self.mail_domain) or name.endswith(f".{self.mail_domain}")


@dataclass(frozen=True, slots=True, order=True)
class Exchange:
    """One MX record; a null MX has an empty host."""

    preference: int
    host: str


def leg_of(address: str, origin: Origin, *, preferences: Preferences, own: Own) -> Leg:
    """Return the way of a recipient under these preferences.

    A domain that has lost its route since the mail was accepted keeps its own destination, which
    has no hosts: the mail waits for the route to come back.
    """
    domain = domain_of(address)
    if preferences.route(domain) is not None and (
        origin is not Origin.SMTP or not is_postmaster(address) or preferences.accepts(address)
    ):
        return _by_route(address, preferences)
    if origin is Origin.BOUNCE:
        return _outwards(address, own)
    if own.postmaster and is_postmaster(address):
        if preferences.route(domain_of(own.postmaster)) is not None:
            return _by_route(own.postmaster, preferences)
        return _outwards(own.postmaster, own)
    return _by_route(address, preferences)


def ways_of(address: str, origin: Origin, *, own: Own) -> tuple[Destination, ...]:
    """Return every destination that mail for a recipient can have, whatever the preferences are.

    So mail is found that was put into its lane before they changed.
    """
    ways = [Destination(Via.ROUTE, domain_of(address))]
    if origin is Origin.BOUNCE:
        ways.append(_outwards(address, own).destination)
    if own.postmaster and is_postmaster(address):
        ways.append(Destination(Via.ROUTE, domain_of(own.postmaster)))
        ways.append(_outwards(own.postmaster, own).destination)
    return tuple(ways)


def is_postmaster(address: str) -> bool:
    """Say whether mail is for a postmaster, RFC 5321 section 4.5.1."""
    return (address.rpartition("@")[0] or address).casefold() == "postmaster"


def _by_route(address: str, preferences: Preferences) -> Leg:
    domain = domain_of(address)
    route = preferences.route(domain)
    customer, days = (route.customer, route.hold_days) if route else ("", HOLD_DAYS_DEFAULT)
    return Leg(Destination(Via.ROUTE, domain), address, customer, days)


def _outwards(address: str, own: Own) -> Leg:
    if own.smarthost:
        destination = Destination(Via.SMARTHOST, own.smarthost)
    else:
        destination = Destination(Via.MX, domain_of(address))
    return Leg(destination, address, "", HOLD_DAYS_DEFAULT)


def targets_of(destination: Destination, *, preferences: Preferences) -> tuple[Target, ...]:
    """Return the configured hosts of a destination, in order; none for one that goes by MX."""
    match destination.via:
        case Via.ROUTE:
            route = preferences.route(destination.name)
            texts = route.deliver_to if route is not None else ()
            return tuple(map(parse_deliver_to, texts))
        case Via.SMARTHOST:
            return (Target(*split_target(destination.name)),)
        case Via.MX:
            return ()


def policy_of(destination: Destination, *, preferences: Preferences) -> Policy:
    """Return the policy by which mail leaves for a destination.

    A customer's servers follow the customer's policy. To strangers and the smart host go only our
    own DSNs, as the defaults say; to strangers as their domain publishes that its mail must travel.
    """
    if destination.via is Via.ROUTE:
        return preferences.domain_policy(destination.name)
    return _TO_STRANGERS if destination.via is Via.MX else DEFAULT_POLICY


def exchanges_of(
    domain: str, lookup: Lookup[Exchange], *, own: Own, asked_before: bool, spread: float
) -> tuple[str, ...] | RecipientResult:
    """Return the hosts that take a domain's mail, the preferred first, or what stands against it.

    Args:
        domain: the domain whose MX was looked up.
        lookup: the answer.
        own: who we are.
        asked_before: a name that does not exist is believed the second time only.
        spread: from 0 up to 1; turns the order of hosts of the same preference.
    """
    literal = literal_address(domain)
    if literal is not None:  # nothing is to be looked up: RFC 5321 section 5.1
        return (literal,)
    match lookup.found:
        case LookupResult.FAILED:
            return _later(f"the MX of {domain} could not be looked up")
        case LookupResult.NO_NAME:
            text = f"the domain {domain} does not exist"
            return _never(text, "5.1.2") if asked_before else _later(text)
        case LookupResult.NOTHING:
            records: tuple[Exchange, ...] = (Exchange(0, domain),)  # the implicit MX
        case LookupResult.RECORDS:
            records = lookup.records
    named = sorted(record for record in records if record.host)
    if not named:
        return _without_exchange(domain, has_null=bool(records))
    farther = _before_us(named, own)
    if not farther:
        return _never(f"the mail for {domain} would come back to us", "5.4.6")
    return _turned(farther, spread)[:EXCHANGES_MAX]


def _without_exchange(domain: str, *, has_null: bool) -> RecipientResult:
    if has_null:
        return _never(f"the domain {domain} takes no mail: null MX", "5.1.10")
    return _never(f"the MX records of {domain} name no host", "5.4.4")


def _before_us(records: list[Exchange], own: Own) -> list[Exchange]:
    """Leave out our own hosts and all that are no better: RFC 5321 section 5.1."""
    ours = [record.preference for record in records if own.is_host(record.host)]
    return [r for r in records if r.preference < min(ours)] if ours else records


def _turned(records: list[Exchange], spread: float) -> tuple[str, ...]:
    hosts: list[str] = []
    for preference in sorted({record.preference for record in records}):
        same = [record.host for record in records if record.preference == preference]
        turn = int(spread * len(same)) % len(same)
        hosts += same[turn:] + same[:turn]
    return tuple(hosts)


def public_addresses(addresses: Iterable[str], *, own: Own) -> tuple[str, ...]:
    """Return the addresses that a stranger's MX may lead to.

    Loopback, private and our own addresses are left out: a name in somebody else's DNS must not
    make us talk to ourselves or to our own network.
    """
    kept = []
    for text in addresses:
        address = ipaddress.ip_address(text)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_global and not address.is_multicast and str(address) not in own.addresses:
            kept.append(text)
    return tuple(kept)


def nowhere(
    domain: str, founds: Iterable[LookupResult], *, asked_before: bool, refused: bool
) -> RecipientResult:
    """Return what it means that no host of a domain has an address to go to.

    Args:
        domain: the domain.
        founds: how the lookup of each host ended.
        asked_before: whether this is at least the second time.
        refused: there were addresses, and we must not go to them.
    """
    if LookupResult.FAILED in founds:
        return _later(f"the mail hosts of {domain} could not be looked up")
    if refused:
        return _never(f"the mail hosts of {domain} are not on the public network", "5.4.4")
    text = f"the mail hosts of {domain} have no address"
    return _never(text, "5.4.4") if asked_before else _later(text)


def _later(text: str) -> RecipientResult:
    return RecipientResult(stage=Stage.ROUTE, finding=text, status=STATUS_NOT_LOOKED_UP)


def _never(text: str, status: str) -> RecipientResult:
    return RecipientResult(stage=Stage.ROUTE, finding=text, status=status)
