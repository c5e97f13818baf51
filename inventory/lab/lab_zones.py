"""What does the lab's name server answer?

Pure. One ``named`` is the resolver of all machines and the name server of everybody: the zone of
each customer with what ``mx render`` writes for him, our zone, and the root, which holds all other
names of the lab. So a name that nobody has is answered at once, and no question leaves the lab. Our
zone begins with nothing of the inventory, and takes updates: what stands there ``mx apply`` brings.

Source: RFC 1035 section 5, named.conf(5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from common.preferences.deliver_to import split_target
from inventory.lab.topology import DNS_DOMAIN, SENDER_DOMAIN, LabRole, Topology
from inventory.model import Inventory
from inventory.mx.formats.rendered_files import zone_file, zone_value
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan
from inventory.mx.records import DnsZone, records_of

TTL_S = 5  # a change is seen by the next try, which no real zone could afford
SUFFIX = ".zone"
FOLDER = "/etc/bind"  # where the files are for named
KEY_FILE = "update.key"  # among them, and written by others: who may change our zone

_OPTIONS = """\
options {{
    directory "/var/cache/bind";
    pid-file none;
    session-keyfile none;
    listen-on {{ any; }};
    listen-on-v6 {{ any; }};
    allow-query {{ any; }};
    allow-recursion {{ any; }};
    recursion yes;
    notify no;
    empty-zones-enable no;
    dnssec-validation no;
    max-cache-ttl {ttl};
    max-ncache-ttl {ttl};
}};
controls {{ }};
"""

_FORWARDING = """\
options {{
    directory "/run";
    managed-keys-directory "/run";
    pid-file none;
    session-keyfile none;
    {family} port {port} {{ {host}; }};
    {other} {{ none; }};
    recursion yes;
    forward only;
    forwarders {{ {servers} }};
    empty-zones-enable no;
    dnssec-validation no;
    max-cache-ttl {ttl};
    max-ncache-ttl {ttl};
}};
controls {{ }};
"""


def forwarding_configuration(topology: Topology) -> str:
    """Return the settings of a node's own resolver, which asks the lab's DNS."""
    host, port = split_target(topology.resolver)
    family = "listen-on-v6" if ":" in host else "listen-on"
    other = "listen-on" if ":" in host else "listen-on-v6"
    servers = " ".join(f"{one};" for one in topology.machine(LabRole.DNS).addresses)
    return _FORWARDING.format(
        family=family, other=other, host=host, port=port, servers=servers, ttl=TTL_S
    )


def own_zone_file(topology: Topology) -> str:
    """Return the name of the file of our zone, which named keeps itself once it has it."""
    return zone_file(topology.mail_domain, SUFFIX)


def zone_files(
    inventory: Inventory, topology: Topology, *, serial: int, key: str
) -> dict[str, str]:
    """Return ``named.conf`` and the zones, by their names in ``FOLDER``.

    Args:
        serial: of the zones, more than at the last time.
        key: the name of that with which our zone is changed.
    """
    records = records_of(inventory, make_plan(inventory), naming=Naming.FIXED)
    zones = {zone.name: list(_lines(zone)) for zone in records.customers}
    zones[topology.mail_domain] = []
    root: list[str] = []
    for line_of, record in _names(topology):
        zone = _zone_of(line_of, zones)
        (root if zone is None else zones[zone]).append(f"{line_of}. {record}")
    files = {
        "named.conf": _configuration(zones, ours=topology.mail_domain, key=key),
        "root.zone": _zone(".", root, serial),
    }
    return files | {
        zone_file(zone, SUFFIX): _zone(zone, lines, serial) for zone, lines in zones.items()
    }


def _configuration(zones: Iterable[str], *, ours: str, key: str) -> str:
    may = f'allow-update {{ key "{key}"; }}; allow-transfer {{ key "{key}"; }};'
    lines = [
        f'include "{FOLDER}/{KEY_FILE}";',
        _OPTIONS.format(ttl=TTL_S),
        _declared(".", "root.zone"),
        *(_declared(zone, zone_file(zone, SUFFIX), may if zone == ours else "") for zone in zones),
    ]
    return "\n".join(lines) + "\n"


def _declared(zone: str, file: str, may: str = "") -> str:
    more = f" {may}" if may else ""
    return f'zone "{zone}" {{ type primary; file "{FOLDER}/{file}";{more} }};'


def _zone(name: str, lines: Sequence[str], serial: int) -> str:
    # Absolute names throughout: a line says by itself what it is of.
    head = [
        f"$TTL {TTL_S}",
        f"$ORIGIN {name if name == '.' else name + '.'}",
        f"@ IN SOA ns.{DNS_DOMAIN}. postmaster.{DNS_DOMAIN}. {serial} 60 60 600 {TTL_S}",
        f"@ IN NS ns.{DNS_DOMAIN}.",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _lines(zone: DnsZone) -> Iterator[str]:
    """Yield the records of a zone, as they are planned but for how long they are good."""
    for one in zone.sets:
        for value in one.values:
            yield f"{one.name}. IN {one.kind} {zone_value(one.kind, value)}"


def _names(topology: Topology) -> Iterator[tuple[str, str]]:
    """Yield each name that the lab itself has, with a record."""
    hosts: dict[str, tuple[str, ...]] = {
        f"ns.{DNS_DOMAIN}": topology.machine(LabRole.DNS).addresses,
        f"mail.{SENDER_DOMAIN}": topology.machine(LabRole.SENDER).addresses,
        **topology.names,
    }
    hosts |= {
        server.host: server.addresses
        for server in topology.servers
        if server.host not in server.addresses
    }
    for host, addresses in hosts.items():
        for address in addresses:
            yield host, f"IN {'AAAA' if ':' in address else 'A'} {address}"
    for name, host in topology.mx_names.items():
        yield name, f"IN MX 10 {host}."
    sender = " ".join(
        f"ip{ipaddress.ip_address(address).version}:{address}"
        for address in topology.machine(LabRole.SENDER).addresses
    )
    # Notices to it go by its MX, and so over IPv4: see the address pools.
    yield SENDER_DOMAIN, f"IN MX 10 mail.{SENDER_DOMAIN}."
    yield SENDER_DOMAIN, f'IN TXT "v=spf1 {sender} -all"'
    yield from _pointers(topology, hosts)


def _pointers(topology: Topology, hosts: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Yield what each address is called, ours and the others'."""
    nodes = {
        f"{machine.name}.{topology.mail_domain}": machine.addresses
        for machine in topology.of(LabRole.SATELLITE)
    }
    called = {address: host for host, addresses in (hosts | nodes).items() for address in addresses}
    for address, host in called.items():
        yield ipaddress.ip_address(address).reverse_pointer, f"IN PTR {host}."


def _zone_of(name: str, zones: Iterable[str]) -> str | None:
    """Return the nearest zone that a name is in; None for the root."""
    around = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    return max(around, key=len, default=None)
