"""Which machines does a lab have, with which addresses, for an inventory?

Pure. The nodes and the core have the addresses that the inventory gives them, so that what is
rendered works unchanged. Whom the inventory only names (the customers' servers, a core known by its
host name) and the lab's own machines get addresses that nothing in the inventory has.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from common.counted import counted
from common.errors import LocalError
from common.preferences.deliver_to import parse_deliver_to, split_target
from inventory.model import CoreMachine, Inventory

NODES_MAX = 24  # a satellite takes 150 MB and more; beyond that one machine is no cluster
DOMAINS_MAX = 10_000  # each has a zone of its own
INTERFACE_LENGTH_MAX = 15  # Linux has one octet more, for the end
CLUSTER = "cluster"  # of the lab's folder: what is rendered
INVENTORY = "inventory"  # likewise: where the inventory stands, as text
LOG = "lab.log"  # likewise: of the lab's first process
ASKED = "asked"  # likewise: which change was asked for last
FORCED = "forced"  # likewise: is there when the inventory may take much away
MOVE = "move"  # likewise: is there when the core shall move, and says how
MACHINES = "machines"  # likewise: what is each machine's own
SENDER_DOMAIN = "sender.example"
DNS_DOMAIN = "dns.example"
PLACES = 65_000  # of each pool
# Public ones for IPv4, since a node sends no notice to a stranger at any other; no packet leaves
# the lab. IPv6 has a range for documentation alone, and the sender's MX has IPv4.
POOLS = ("11.0.0.0/16", "2001:db8:1ab::/64")

_RESERVED = ("dns", "sender", "customers")  # the lab's own machines


class LabRole(StrEnum):
    """What a machine of the lab is."""

    CORE = "core"  # that can be the core: it runs on one of them
    SATELLITE = "satellite"
    DNS = "dns"  # resolver of all, and name server of everybody
    SENDER = "sender"  # somebody's mail server, who knows us by our MX alone
    CUSTOMERS = "customers"  # all customers' mail servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine.

    Attributes:
        interface: how the world's end of its line is called.
        folder: its rendered folder, empty without one.
        vpn_address: where it is asked over the VPN; empty without one.
    """

    name: str
    role: LabRole
    addresses: tuple[str, ...]
    interface: str
    site: str = ""
    folder: str = ""
    vpn_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerServer:
    """A mail server of customers, as ``deliver_to`` names it."""

    host: str
    port: int
    addresses: tuple[str, ...]
    is_lmtp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All that a lab is made of; names are DNS names without a final dot.

    Attributes:
        resolver: HOST:PORT where each node asks for names on itself; empty: it asks the lab's DNS.
        names: host names of ``core.public`` that the lab's DNS answers for, with addresses.
        mx_names: names behind ``NAME/mx`` in a ``deliver_to``, each with its host.
    """

    cluster: str
    mail_domain: str
    vpn_port: int
    machines: tuple[Machine, ...]
    servers: tuple[CustomerServer, ...]
    domains: tuple[str, ...]
    names: dict[str, tuple[str, ...]]
    mx_names: dict[str, str]
    resolver: str = ""

    def machine(self, name: str) -> Machine:
        """Return the machine of this name; there must be one."""
        return next(machine for machine in self.machines if machine.name == name)

    def of(self, role: LabRole) -> list[Machine]:
        """Return all machines that are one thing."""
        return [machine for machine in self.machines if machine.role is role]


def topology_of(inventory: Inventory) -> Topology:
    """Return what a lab of an inventory is made of; the same for the same inventory.

    Raises:
        LocalError: it is too large, has a name that the lab needs, or two machines of one address.
    """
    _check(inventory)
    pool = _Pool(inventory)
    names: dict[str, tuple[str, ...]] = {}
    cores = [_core(*one, pool, names) for one in inventory.core.machines().items()]
    nodes = [
        Machine(
            name=node.name,
            role=LabRole.SATELLITE,
            addresses=node.public,
            interface=interface_of(node.name),
            site=site.name,
            folder=node.name,
            vpn_address=node.vpn_address[0],
        )
        for site, node in inventory.nodes()
    ]
    dns, sender = (_own(role, pool.take(role)) for role in (LabRole.DNS, LabRole.SENDER))
    servers, mx_names = _servers(inventory, pool)
    addresses = dict.fromkeys(address for server in servers for address in server.addresses)
    customers = _own(LabRole.CUSTOMERS, tuple(addresses))
    made = Topology(
        cluster=inventory.cluster.name,
        mail_domain=inventory.cluster.mail_domain,
        vpn_port=inventory.cluster.vpn_port,
        machines=(dns, *cores, *nodes, customers, sender),
        servers=servers,
        domains=tuple(domain.name for _, domain in inventory.domains()),
        names=names,
        mx_names=mx_names,
        resolver=_own_resolver(inventory),
    )
    _check_addresses(made)
    return made


def interface_of(name: str) -> str:
    """Return how the world's end of a machine's line is called, in 15 characters at most."""
    whole = f"bs-{name}"
    if len(whole) <= INTERFACE_LENGTH_MAX:
        return whole
    return f"bs-{name[:7]}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"


def _check(inventory: Inventory) -> None:
    nodes, domains = len(inventory.nodes()), len(inventory.domains())
    if nodes > NODES_MAX or domains > DOMAINS_MAX:
        raise LocalError(
            f"{counted(nodes, 'node')} and {counted(domains, 'domain')} are too many"
            " for one machine",
            hint=f"make an inventory of at most {NODES_MAX} and {DOMAINS_MAX} for the lab",
        )
    taken = {node.name for _, node in inventory.nodes()} | {site.name for site in inventory.sites}
    taken |= set(inventory.core.machines())
    for name in _RESERVED:
        if name in taken:
            raise LocalError(
                f"the lab has a machine {name} of its own", hint="name yours otherwise"
            )


def _core(
    folder: str, machine: CoreMachine, pool: _Pool, names: dict[str, tuple[str, ...]]
) -> Machine:
    """Return a machine of the core; a host name of it gets addresses, entered in ``names``."""
    addresses: list[str] = []
    for public in machine.public:
        if _is_address(public):
            addresses.append(public)
        else:
            names[public] = pool.take(public)
            addresses.extend(names[public])
    return Machine(
        name=folder,
        role=LabRole.CORE,
        addresses=tuple(dict.fromkeys(addresses)),
        interface=interface_of(folder),
        folder=folder,
        vpn_address=machine.vpn_address[0],
    )


def _own_resolver(inventory: Inventory) -> str:
    """Return where a node's own resolver is; empty when it has none."""
    said = inventory.resolver or ""
    host = split_target(said)[0] if said else ""
    return said if host and ipaddress.ip_address(host).is_loopback else ""


def _own(role: LabRole, addresses: tuple[str, ...]) -> Machine:
    return Machine(name=role, role=role, addresses=addresses, interface=interface_of(role))


def _servers(
    inventory: Inventory, pool: _Pool
) -> tuple[tuple[CustomerServer, ...], dict[str, str]]:
    """Return the customers' servers in the order of the domains, and what ``NAME/mx`` leads to."""
    found: dict[tuple[str, int], CustomerServer] = {}
    addresses: dict[str, tuple[str, ...]] = {}
    mx_names: dict[str, str] = {}
    for _, domain in inventory.domains():
        for text in domain.deliver_to:
            target = parse_deliver_to(text)
            host = target.host
            if target.is_mx:
                host = mx_names.setdefault(target.host, f"mail.{target.host}")
            if host not in addresses:
                addresses[host] = (host,) if _is_address(host) else pool.take(host)
            found.setdefault(
                (host, target.port),
                CustomerServer(
                    host=host,
                    port=target.port,
                    addresses=addresses[host],
                    is_lmtp=target.is_lmtp,
                ),
            )
    return tuple(found.values()), mx_names


class _Pool:
    """Addresses that nothing in an inventory has, one of each family at a time."""

    def __init__(self, inventory: Inventory) -> None:
        said: list[str] = []
        for core in inventory.core.machines().values():
            said += [*core.public, *core.vpn_address]
        for _, node in inventory.nodes():
            said += [*node.public, *node.vpn_address]
        for _, domain in inventory.domains():
            said += [parse_deliver_to(text).host for text in domain.deliver_to]
        self._taken = set(said)

    def take(self, name: str) -> tuple[str, ...]:
        """Return an address of each family for a name."""
        return tuple(self._address(ipaddress.ip_network(network), name) for network in POOLS)

    def _address(self, network: ipaddress.IPv4Network | ipaddress.IPv6Network, name: str) -> str:
        # By the name, so that whoever comes later moves nobody.
        start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        for number in range(PLACES):
            address = str(network[1 + (start + number) % PLACES])
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise LocalError("the lab has no address left", hint="name fewer servers")


def _check_addresses(made: Topology) -> None:
    owners: dict[str, str] = {}
    for machine in made.machines:
        for address in machine.addresses:
            other = owners.setdefault(address, machine.name)
            if other != machine.name:
                raise LocalError(
                    f"{machine.name} and {other} both have the address {address}",
                    hint="give each machine its own in the inventory",
                )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
