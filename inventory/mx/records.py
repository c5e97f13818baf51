"""Which records stand in DNS, in our own zone and in the customers'?

Pure. What every format writes, what ``mx apply`` compares with and what ``mx verify`` asks for: the
same inventory, plan and keys give the same records in the same order.

*Ours* is the zone of the mail domain: addresses of the nodes and of the names that customers have
as MX, TLSA records of the keys that the nodes show, where MTA-STS policies are served, and where
reports on TLS go. *The customers'* are a zone for each domain: its MX, and what leads to us for
MTA-STS and for reports. A domain that is too long for such names has its MX alone.

Source: RFC 1035, RFC 6698 and 7671 (TLSA), RFC 8461 (MTA-STS), RFC 8460 section 3 (TLS-RPT).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from common.sts_text import POLICY_HOST, sts_policy_text, sts_record_text
from inventory.model import Cluster, Inventory
from inventory.mx.names import (
    REPORTS_LABELS,
    SMTP_LABELS,
    STS_LABEL,
    Addresses,
    Naming,
    addresses_of,
    has_room,
    host_of,
    host_of_node,
    sts_hosts,
)
from inventory.mx.plan import Entry, Mx, MxPlan
from inventory.mx.planner import PREFERENCES

ADDRESS_TTL_S = 300  # a site that fails is out of the way in five minutes
MX_TTL_S = 3600  # with fixed names an MX never changes; with sites' names it is the wait of a drain
# As many as a careful sender reads. Beyond that each name leads to the keys of its own site.
SHARED_KEYS_MAX = 32


class Whose(StrEnum):
    """Who can change a zone."""

    OURS = "ours"
    CUSTOMERS = "customers"


@dataclass(frozen=True, slots=True, order=True)
class RecordSet:
    """All records of one name and kind.

    Attributes:
        name: whole, as A-labels, without a final dot.
        kind: ``A``, ``AAAA``, ``CNAME``, ``MX``, ``TLSA`` or ``TXT``.
        values: as in a zone file, names in them with a final dot; a text without its quotes.
        note: for people.
    """

    name: str
    kind: str
    ttl_s: int
    values: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class DnsZone:
    """What stands of us in one zone, which has its own SOA and NS.

    Attributes:
        customer: whose it is; empty: it is ours.
    """

    name: str
    sets: tuple[RecordSet, ...]
    customer: str = ""

    def label(self, name: str) -> str:
        """Return a name of the zone relative to it; empty for the zone's own."""
        return "" if name == self.name else name.removesuffix(f".{self.name}")


@dataclass(frozen=True, slots=True)
class MxRecords:
    """All zones.

    Attributes:
        senders: addresses that our mail comes from, which customers let in.
    """

    ours: DnsZone
    customers: tuple[DnsZone, ...]
    naming: Naming
    senders: tuple[str, ...] = ()

    def of(self, whose: Whose) -> tuple[DnsZone, ...]:
        """Return the zones that somebody can change."""
        return (self.ours,) if whose is Whose.OURS else self.customers


def records_of(
    inventory: Inventory,
    plan: MxPlan,
    *,
    naming: Naming,
    keys: Mapping[str, Sequence[str]] | None = None,
) -> MxRecords:
    """Return what stands in DNS.

    Args:
        keys: node -> SHA-256 of each public key that it shows now or next; None: no TLSA records.
    """
    cluster = inventory.cluster
    owners = {domain.name: customer.name for customer, domain in inventory.domains()}
    ours = [*_nodes(inventory, keys or {})]
    match naming:
        case Naming.FIXED:
            ours += _fixed_names(inventory, plan, keys or {})
        case Naming.SITES:
            ours += _site_names(inventory, keys or {})
    ours += _served(inventory)
    names = names_of(inventory)
    customers = tuple(
        DnsZone(
            entry.domain,
            tuple(_of_customer(cluster, entry, naming=naming, names=names)),
            owners.get(entry.domain, ""),
        )
        for entry in plan.domains
    )
    public = {address for _, node in inventory.nodes() for address in node.public}
    return MxRecords(DnsZone(cluster.mail_domain, tuple(ours)), customers, naming, _sorted(public))


def policy_of(cluster: Cluster) -> str | None:
    """Return the MTA-STS policy of all customers' domains; None where none is served."""
    if cluster.mta_sts is None:
        return None
    return sts_policy_text(
        mode=cluster.mta_sts.mode,
        max_age_s=cluster.mta_sts.max_age_s,
        hosts=sts_hosts(cluster),
    )


def _nodes(inventory: Inventory, keys: Mapping[str, Sequence[str]]) -> Iterator[RecordSet]:
    for site, node in sorted(inventory.nodes(), key=lambda pair: pair[1].name):
        alone = site.model_copy(update={"nodes": (node,)})
        host = host_of_node(inventory.cluster, node.name)
        yield from _addresses(host, addresses_of(alone), note="node")
        yield from _tlsa(host, keys.get(node.name, ()), note="node")


def _fixed_names(
    inventory: Inventory, plan: MxPlan, keys: Mapping[str, Sequence[str]]
) -> Iterator[RecordSet]:
    """Yield the names that customers have published, with the addresses of the sites behind them.

    A sender remembers a name's addresses and its TLSA records apart from each other. When the name
    has moved to another site, it may have the addresses of one and the keys of the other for five
    minutes. So each name leads to the keys of all sites, as long as those are not too many.
    """
    cluster = inventory.cluster
    addresses = {site.name: addresses_of(site) for site in inventory.sites}
    by_site = {
        site.name: _keys_of([node.name for node in site.nodes], keys) for site in inventory.sites
    }
    every = _keys_of([node.name for _, node in inventory.nodes()], keys)
    is_shared = len(every) <= SHARED_KEYS_MAX
    if is_shared:
        yield from _tlsa(cluster.mail_domain, every, note="all sites")
    else:
        for site, held in sorted(by_site.items()):
            yield from _tlsa(_site_host(cluster, site), held, note=site)
    names = names_of(inventory)
    for entry in plan.domains:
        for record in published_mx(entry, names=names, mail_domain=cluster.mail_domain):
            yield from _addresses(record.host, addresses[record.site], note=record.site)
            if every if is_shared else by_site[record.site]:
                target = cluster.mail_domain if is_shared else _site_host(cluster, record.site)
                alias = f"{SMTP_LABELS}.{record.host}"
                yield RecordSet(alias, "CNAME", ADDRESS_TTL_S, (f"{SMTP_LABELS}.{target}.",))


def names_of(inventory: Inventory) -> int:
    """Return how many fixed names each customer publishes: none less while a site drains."""
    return min(len(PREFERENCES), len(inventory.sites))


def published_mx(entry: Entry, *, names: int, mail_domain: str) -> tuple[Mx, ...]:
    """Return the fixed names that a customer has published, each with the site that it leads to.

    While a site drains there are more names than sites to choose from. The names are in the
    customer's zone all the same, and one without an address would be a broken MX: the best sites
    stand in.
    """
    return tuple(
        Mx(
            preference=PREFERENCES[rank],
            site=entry.order[rank % len(entry.order)],
            host=host_of(
                Naming.FIXED, domain=entry.domain, rank=rank + 1, site="", mail_domain=mail_domain
            ),
        )
        for rank in range(names if entry.order else 0)
    )


def _site_names(inventory: Inventory, keys: Mapping[str, Sequence[str]]) -> Iterator[RecordSet]:
    for site in sorted(inventory.sites, key=lambda site: site.name):
        # A draining site keeps its name: old MX records lead to it until they are forgotten.
        host = _site_host(inventory.cluster, site.name)
        yield from _addresses(host, addresses_of(site), note=site.state)
        held = _keys_of([node.name for node in site.nodes], keys)
        yield from _tlsa(host, held, note=site.name)


def _served(inventory: Inventory) -> Iterator[RecordSet]:
    """Yield where policies are served, and where reports on our own domain go."""
    cluster = inventory.cluster
    if cluster.mta_sts is not None:
        every = [addresses_of(site) for site in inventory.sites]
        together = Addresses(
            _sorted({text for one in every for text in one.ipv4}),
            _sorted({text for one in every for text in one.ipv6}),
        )
        host = f"{POLICY_HOST}.{cluster.mail_domain}"
        yield from _addresses(host, together, note="MTA-STS policies")
    yield from _reports(cluster, cluster.mail_domain)


def _of_customer(
    cluster: Cluster, entry: Entry, *, naming: Naming, names: int
) -> Iterator[RecordSet]:
    found: Sequence[Mx] = (
        published_mx(entry, names=names, mail_domain=cluster.mail_domain)
        if naming is Naming.FIXED
        else entry.mx
    )
    values = tuple(f"{record.preference} {record.host}." for record in found)
    if values:
        yield RecordSet(entry.domain, "MX", MX_TTL_S, values)
    policy = policy_of(cluster)
    # Both or none: without the TXT record, whose name is longer, nobody asks for the policy.
    if policy is not None and has_room(STS_LABEL, entry.domain):
        target = f"{POLICY_HOST}.{cluster.mail_domain}."
        yield RecordSet(f"{POLICY_HOST}.{entry.domain}", "CNAME", MX_TTL_S, (target,))
        text = sts_record_text(policy)
        yield RecordSet(f"{STS_LABEL}.{entry.domain}", "TXT", MX_TTL_S, (text,))
    if has_room(REPORTS_LABELS, entry.domain):
        yield from _reports(cluster, entry.domain)


def _reports(cluster: Cluster, domain: str) -> Iterator[RecordSet]:
    if cluster.tls_reports:
        text = f"v=TLSRPTv1; rua={','.join(cluster.tls_reports)}"
        yield RecordSet(f"{REPORTS_LABELS}.{domain}", "TXT", MX_TTL_S, (text,))


def _addresses(host: str, found: Addresses, *, note: str) -> Iterator[RecordSet]:
    if found.ipv4:
        yield RecordSet(host, "A", ADDRESS_TTL_S, found.ipv4, note)
    if found.ipv6:
        yield RecordSet(host, "AAAA", ADDRESS_TTL_S, found.ipv6, note)


def _tlsa(host: str, held: Sequence[str], *, note: str) -> Iterator[RecordSet]:
    """Yield the keys of a host: the end's certificate (3), its public key (1), as SHA-256 (1)."""
    if held:
        values = tuple(f"3 1 1 {digest}" for digest in held)
        yield RecordSet(f"{SMTP_LABELS}.{host}", "TLSA", ADDRESS_TTL_S, values, note)


def _keys_of(nodes: Iterable[str], keys: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return _sorted({digest for node in nodes for digest in keys.get(node, ())})


def _site_host(cluster: Cluster, site: str) -> str:
    return host_of(Naming.SITES, domain="", rank=0, site=site, mail_domain=cluster.mail_domain)


def _sorted(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(texts))
