"""Can the machines of an inventory meet at the addresses that it gives them?

Pure. Reads the raw tree, as ``check`` does. A core that is known by a host name may have addresses
of any family: nothing is said of that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from common.settings.values import CORE_ADDRESSES_MAX
from inventory.raw import (
    IpAddress,
    IpNetwork,
    Raw,
    RawComplaint,
    core_machines,
    machines_of,
    nodes_of,
)


def check_addresses(main: Raw) -> Iterator[RawComplaint]:
    """Yield all that is wrong with addresses and networks."""
    yield from _networks(main.get("cluster").networks("vpn"))
    for owner in machines_of(main):
        for key in ("public", "vpn_address"):
            for place, address in owner.addresses(key):
                yield from _of_no_machine(place, key, address)
    yield from _public_addresses(main)
    yield from _vpn_addresses(main)
    yield from _families(main)
    yield from _core_machines(main)


def _core_machines(main: Raw) -> Iterator[RawComplaint]:
    """Tell of machines of the core that nodes could not tell apart, or hear of as they are."""
    machines = core_machines(main)
    owners: dict[str, Raw] = {}
    for machine in machines if len(machines) > 1 else []:
        for key in ("vpn_address", "public"):
            count = len(list(machine.get(key).each()))
            if count > CORE_ADDRESSES_MAX:
                what = f"{key}: {CORE_ADDRESSES_MAX} may stand there, not {count}"
                yield RawComplaint(machine.get(key), what, "remove the others")
        for place in machine.get("public").each():
            host = (place.text or "").lower().removesuffix(".")
            if _is_name(host) and owners.setdefault(host, machine) is not machine:
                what = f"public {host} is that of {owners[host].get('name').value} too"
                remedy = "give each machine a name of its own: a tunnel leads to each"
                yield RawComplaint(place, what, remedy)


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host)
    return False  # of addresses all that is wrong is said elsewhere


def _of_no_machine(place: Raw, key: str, address: IpAddress) -> Iterator[RawComplaint]:
    mapped = address.ipv4_mapped if address.version == 6 else None
    if mapped is not None:
        yield RawComplaint(place, f"{key} {address} is IPv4 in IPv6's form", f"write {mapped}")
    elif (
        address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or (address.version == 4 and address.is_reserved)
    ):
        what = f"{key} {address} is no address by which others reach a machine"
        yield RawComplaint(place, what, "write its own address")


def _families(main: Raw) -> Iterator[RawComplaint]:
    """Tell of nodes and machines of the core that have no family of addresses in common."""
    core, *standbys = core_machines(main)
    yield from _families_with(core, "the core", "core.public", main)
    for standby in standbys:
        name = str(standby.get("name").value)
        yield from _families_with(standby, name, f"public of {name}", main)


def _families_with(core: Raw, named: str, key: str, main: Raw) -> Iterator[RawComplaint]:
    public = core.addresses("public")
    is_known = bool(public) and len(public) == len(list(core.get("public").each()))
    links = core.addresses("vpn_address")
    for _, node in nodes_of(main):
        name = node.get("name").text or "the node"
        theirs = _versions(node.addresses("public"))
        if is_known and theirs and not theirs & _versions(public):
            yield RawComplaint(
                node.get("public"),
                f"{name} has {_named(theirs)} alone and {named} {_named(_versions(public))}: "
                "WireGuard cannot connect them",
                f"add an address of {_named(_versions(public))} here, or of {_named(theirs)} to "
                f"{key}",
            )
        inside = _versions(node.addresses("vpn_address"))
        if links and inside and links[0][1].version not in inside:
            family = _named({links[0][1].version})
            yield RawComplaint(
                node.get("vpn_address"),
                f"{name} has no vpn_address of {family}, and its link leads to {named}'s first, "
                f"{links[0][1]}",
                f"add one of {family} from cluster.vpn",
            )


def _versions(addresses: list[tuple[Raw, IpAddress]]) -> set[int]:
    return {address.version for _, address in addresses}


def _named(versions: set[int]) -> str:
    return " and ".join(f"IPv{version}" for version in sorted(versions))


def _networks(networks: list[tuple[Raw, IpNetwork]]) -> Iterator[RawComplaint]:
    yield from _overlaps(networks)
    for place, network in networks:
        if network.prefixlen == 0 or network.is_multicast or network.is_loopback:
            what = f"VPN {network} is no network of our own"
            yield RawComplaint(place, what, "write a private one, such as 10.77.0.0/16")


def _public_addresses(main: Raw) -> Iterator[RawComplaint]:
    networks = main.get("cluster").networks("vpn")
    seen: dict[IpAddress, str] = {}
    for owner in machines_of(main):
        name = str(owner.get("name").value)
        for place, address in owner.addresses("public"):
            yield from _of_another(seen, place, "public address", address, name)
            for _, network in networks:
                if address in network:
                    yield RawComplaint(
                        place,
                        f"public address {address} lies in the VPN {network}",
                        "write the address that the world sees, or correct cluster.vpn",
                    )


def _of_another(
    seen: dict[IpAddress, str], place: Raw, what: str, address: IpAddress, owner: str
) -> Iterator[RawComplaint]:
    """Complain of an address that was seen, and keep in mind whose it is."""
    if address in seen:
        yield RawComplaint(place, f"{what} {address} is that of {seen[address]} too", "correct one")
    seen.setdefault(address, owner)


def _vpn_addresses(main: Raw) -> Iterator[RawComplaint]:
    networks = [network for _, network in main.get("cluster").networks("vpn")]
    seen: dict[IpAddress, str] = {}
    for owner in machines_of(main):
        name = str(owner.get("name").value)
        for place, address in owner.addresses("vpn_address"):
            yield from _of_another(seen, place, "vpn_address", address, name)
            if networks and not any(address in network for network in networks):
                yield RawComplaint(
                    place,
                    f"vpn_address {address} lies outside the VPN {', '.join(map(str, networks))}",
                    "take one from cluster.vpn",
                )
            elif any(_is_no_host(address, network) for network in networks):
                yield RawComplaint(
                    place, f"vpn_address {address} is the network's own", "take another from it"
                )


def _overlaps(networks: list[tuple[Raw, IpNetwork]]) -> Iterator[RawComplaint]:
    for number, (place, network) in enumerate(networks):
        for _, other in networks[:number]:
            if network.version == other.version and network.overlaps(other):
                yield RawComplaint(
                    place, f"VPN {network} overlaps {other}", "remove or correct one"
                )


def _is_no_host(address: IpAddress, network: IpNetwork) -> bool:
    if address.version != network.version or network.num_addresses <= 2:
        return False
    ends = [network.network_address]
    if network.version == 4:
        ends.append(network.broadcast_address)
    return address in ends
