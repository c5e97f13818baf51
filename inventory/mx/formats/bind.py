"""What stands in our own zone, as BIND reads it?

Pure. A fragment to be included in the zone of the mail domain, which has its own SOA and NS. MX
records are the customers' to publish and stand here as comments, since a zone holds no other zone's
records.

Source: RFC 1035 section 5, RFC 3596 section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inventory.model import Inventory
from inventory.mx.names import Addresses, Naming, addresses_of, host_of, host_of_node
from inventory.mx.plan import Entry, Mx, MxPlan
from inventory.mx.planner import PREFERENCES

ADDRESS_TTL_S = 300  # a site that fails is out of the way in five minutes
MX_TTL_S = 3600  # with fixed names an MX never changes; with sites' names it is the wait of a drain


def bind_text(inventory: Inventory, plan: MxPlan, *, naming: Naming) -> str:
    """Return the fragment, the same for the same inventory."""
    mail_domain = inventory.cluster.mail_domain
    lines = [
        f"; Addresses of {mail_domain}, for $INCLUDE in its zone.",
        f"$ORIGIN {mail_domain}.",
        f"$TTL {ADDRESS_TTL_S}",
        "",
        "; Nodes: the names in their banners.",
        *_nodes(inventory),
    ]
    match naming:
        case Naming.FIXED:
            lines += _fixed(inventory, plan)
        case Naming.SITES:
            lines += _sites(inventory, plan)
    return "\n".join(lines) + "\n"


def _nodes(inventory: Inventory) -> Iterator[str]:
    for site, node in sorted(inventory.nodes(), key=lambda pair: pair[1].name):
        alone = site.model_copy(update={"nodes": (node,)})
        host = host_of_node(inventory.cluster, node.name)
        yield from _records(_label(inventory, host), addresses_of(alone))


def _fixed(inventory: Inventory, plan: MxPlan) -> Iterator[str]:
    addresses = {site.name: addresses_of(site) for site in inventory.sites}
    names = min(len(PREFERENCES), len(inventory.sites))
    for entry in plan.domains:
        records = _published(entry, names, inventory.cluster.mail_domain)
        yield ""
        yield f"; {entry.domain} publishes, once:"
        yield from _letter(entry.domain, records)
        for record in records:
            label = _label(inventory, record.host)
            yield from _records(label, addresses[record.site], comment=record.site)


def _published(entry: Entry, names: int, mail_domain: str) -> list[Mx]:
    """Return the records that the customer has published, each with the site that it leads to.

    While a site drains there are more names than sites to choose from. The names are in the
    customer's zone all the same, and one without an address would be a broken MX: the best sites
    stand in.
    """
    return [
        Mx(
            preference=PREFERENCES[rank],
            site=entry.mx[rank % len(entry.mx)].site,
            host=host_of(
                Naming.FIXED, domain=entry.domain, rank=rank + 1, site="", mail_domain=mail_domain
            ),
        )
        for rank in range(names)
    ]


def _sites(inventory: Inventory, plan: MxPlan) -> Iterator[str]:
    yield ""
    yield "; Sites: the names in customers' MX records."
    for site in sorted(inventory.sites, key=lambda site: site.name):
        # A draining site keeps its name: old MX records lead to it until they are forgotten.
        yield from _records(f"mx-{site.name}", addresses_of(site), comment=site.state)
    for entry in plan.domains:
        yield ""
        yield f"; {entry.domain} publishes, and changes with each plan:"
        yield from _letter(entry.domain, entry.mx)


def _letter(domain: str, records: Iterable[Mx]) -> Iterator[str]:
    """Yield the records that the customer publishes, as comments."""
    for record in records:
        yield f";   {domain}. {MX_TTL_S} IN MX {record.preference} {record.host}."


def _label(inventory: Inventory, host: str) -> str:
    return host.removesuffix(f".{inventory.cluster.mail_domain}")


def _records(label: str, addresses: Addresses, *, comment: str = "") -> Iterator[str]:
    note = f" ; {comment}" if comment else ""
    for address in addresses.ipv4:
        yield f"{label} IN A {address}{note}"
    for address in addresses.ipv6:
        yield f"{label} IN AAAA {address}{note}"
