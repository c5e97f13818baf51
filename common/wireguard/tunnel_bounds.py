"""Which addresses may the tunnel have, and lead to, whatever its ``wg0.conf`` says?

Pure. That file is written by programs that read strangers' mail: a satellite changes its key there,
the core the peers of nodes. A route that one of them made up would lead the machine's own traffic
into the tunnel. So a file of root's, beside the other ones that those programs cannot write, names
the networks; what lies outside is refused.

Source: docs/operating/wireguard.md, *Its rights*.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from common.errors import SettingsError
from common.wireguard.tunnel_file import COMPLAINTS_MAX, TunnelFile

MACHINE_FOLDER = "/etc/borderscout-machine"  # root's alone: what others of the machine load
NETWORKS_FILE = "tunnel.networks"
NETWORKS_PLACE = f"{MACHINE_FOLDER}/{NETWORKS_FILE}"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_text(networks: Sequence[str]) -> str:
    """Return the file that allows these networks and addresses."""
    lines = (str(ipaddress.ip_network(one)) for one in networks)
    head = "# What the tunnel may have and lead to; made anew by each rendering.\n"
    return head + "".join(f"{line}\n" for line in lines)


def parse_networks(text: str, *, file: str) -> tuple[Network, ...]:
    """Return the networks that a file allows.

    Raises:
        SettingsError: a line is none; every complaint.
    """
    found: list[Network] = []
    complaints = []
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        try:
            found.append(ipaddress.ip_network(said))
        except ValueError:
            complaints.append(
                f"{file}:{number}:1: is no network such as 10.77.0.0/16; render it anew"
            )
    if complaints:
        raise SettingsError(complaints)
    return tuple(found)


def must_lie_within(tunnel: TunnelFile, networks: Sequence[Network], *, file: str) -> None:
    """Refuse a tunnel that has, or leads to, another address than those.

    Raises:
        SettingsError: a complaint for each that it has.
    """
    complaints = [
        f"{file}:1:1: {one} lies outside what the tunnel may lead to; render the folder anew, and"
        " run its install.sh"
        for one in outside(tunnel, networks)
    ]
    if complaints:
        raise SettingsError(complaints[:COMPLAINTS_MAX])


def outside(tunnel: TunnelFile, networks: Sequence[Network]) -> list[Network]:
    """Return what a tunnel has, or leads to, that lies in none of those networks."""
    return [
        one for one in _led_to(tunnel) if not any(_is_within(one, network) for network in networks)
    ]


def _led_to(tunnel: TunnelFile) -> Iterator[Network]:
    for address in tunnel.addresses:
        # With its prefix: the kernel makes a route to all of it.
        yield ipaddress.ip_interface(address).network
    for peer in tunnel.peers:
        yield from (ipaddress.ip_network(one) for one in peer.allowed)


def _is_within(one: Network, network: Network) -> bool:
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(network, ipaddress.IPv4Network) and one.subnet_of(network)
    return isinstance(network, ipaddress.IPv6Network) and one.subnet_of(network)
