"""Which commands lay the lab's lines, and cut and slow them?

Pure: commands are returned, and whoever is in the right namespace runs them. In the middle is the
world, a router: each machine has one line to it, over which all of its public addresses are routed
as single hosts. So two machines reach each other through the world alone, where its rules say
whether they may.

Source: ip-link(8), ip-route(8), nft(8), tc-tbf(8).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from inventory.lab.topology import Machine

TABLE = "lab"
CUT = "cut"  # the set of lines that carry nothing
TUNNEL_CUT = "tunnel_cut"  # the set of lines that carry everything but WireGuard
LINE = "eth0"  # the machine's end
# What a machine takes for its router: addresses of the link alone, the same on every line.
ROUTER_IPV4, ROUTER_IPV6 = "169.254.1.1", "fe80::1"
BURST_OCTETS = 16_384  # of a slowed line: ten packets, so that a short exchange is not hurt
QUEUE_MS = 400  # longer waits are lost: what a slow line's router does

Command = Sequence[str]

_FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


def world_commands() -> list[Command]:
    """Return what the world runs first, to be a router."""
    forward = [("sh", "-c", f"echo 1 >/proc/sys/{name}") for name in _FORWARDING]
    return [("ip", "link", "set", "lo", "up"), *forward, *before_line_commands()]


def before_line_commands() -> list[Command]:
    """Return what holds for ends of lines that are laid later: an address is good at once.

    Nobody else is on these lines who might have it.
    """
    return [("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad")]


def world_rules(vpn_port: int) -> str:
    """Return the world's rules, for ``nft -f``: all may pass but what is in a set."""
    return f"""\
table inet {TABLE} {{
    set {CUT} {{ type ifname; }}
    set {TUNNEL_CUT} {{ type ifname; }}
    chain forward {{
        type filter hook forward priority 0; policy accept;
        iifname @{CUT} counter drop
        oifname @{CUT} counter drop
        iifname @{TUNNEL_CUT} udp sport {vpn_port} counter drop
        iifname @{TUNNEL_CUT} udp dport {vpn_port} counter drop
        oifname @{TUNNEL_CUT} udp sport {vpn_port} counter drop
        oifname @{TUNNEL_CUT} udp dport {vpn_port} counter drop
    }}
}}
"""


def line_commands(machine: Machine, holder: int) -> list[Command]:
    """Return what the world runs to lay a machine's line.

    Args:
        holder: the process that has the machine's network.
    """
    link = machine.interface
    return [
        ("ip", "link", "add", link, "type", "veth", "peer", "name", LINE, "netns", str(holder)),
        ("ip", "address", "add", f"{ROUTER_IPV4}/32", "dev", link),
        ("ip", "address", "add", f"{ROUTER_IPV6}/64", "dev", link, "nodad"),
        ("ip", "link", "set", link, "up"),
        *(
            ("ip", "route", "replace", str(ipaddress.ip_network(address)), "dev", link)
            for address in machine.addresses
        ),
    ]


def unlay_command(machine: Machine) -> Command:
    """Return what the world runs to take a machine's line away."""
    return ("ip", "link", "delete", machine.interface)


def further_commands(machine: Machine) -> tuple[list[Command], list[Command]]:
    """Return what the world and the machine run when it has more addresses than before."""
    networks = [str(ipaddress.ip_network(address)) for address in machine.addresses]
    return (
        [("ip", "route", "replace", one, "dev", machine.interface) for one in networks],
        [("ip", "address", "replace", one, "dev", LINE) for one in networks],
    )


def machine_commands(machine: Machine) -> list[Command]:
    """Return what a machine runs to have its addresses, once its line is laid."""
    first = {
        version: next((a for a in machine.addresses if _version(a) == version), None)
        for version in (4, 6)
    }
    commands: list[Command] = [
        ("ip", "link", "set", "lo", "up"),
        *(
            ("ip", "address", "add", str(ipaddress.ip_network(address)), "dev", LINE)
            + (("nodad",) if _version(address) == 6 else ())
            for address in machine.addresses
        ),
        ("ip", "link", "set", LINE, "up"),
    ]
    if (source := first[4]) is not None:
        commands += [
            ("ip", "route", "add", f"{ROUTER_IPV4}/32", "dev", LINE, "scope", "link"),
            ("ip", "route", "add", "default", "via", ROUTER_IPV4, "dev", LINE, "src", source),
        ]
    if (source := first[6]) is not None:
        router = ("via", ROUTER_IPV6, "dev", LINE, "src", source)
        commands.append(("ip", "-6", "route", "add", "default", *router))
    return commands


def cut_commands(machines: Iterable[Machine], *, is_tunnel_alone: bool) -> list[Command]:
    """Return what the world runs to let nothing pass over some lines, or no WireGuard."""
    name = TUNNEL_CUT if is_tunnel_alone else CUT
    return [("nft", "add", "element", "inet", TABLE, name, _set_of(machines))]


def heal_commands(machines: Sequence[Machine]) -> list[Command]:
    """Return what the world runs to let all pass again; nothing is wrong with a line that is well.

    ``nft destroy`` would say the same, and came with a later nftables than Debian 12 has.
    """
    lines = _set_of(machines)
    return [
        ("nft", verb, "element", "inet", TABLE, name, lines)
        for name in (CUT, TUNNEL_CUT)
        for verb in ("add", "delete")
    ]


def rate_command(interface: str, kbit: int) -> Command:
    """Return what makes one end of a line send no faster than this."""
    return (
        *("tc", "qdisc", "replace", "dev", interface, "root", "tbf"),
        *("rate", f"{kbit}kbit", "burst", str(BURST_OCTETS), "latency", f"{QUEUE_MS}ms"),
    )


def delay_command(interface: str, delay_ms: int, kbit: int | None) -> Command:
    """Return what makes one end of a line send later, and no faster than this."""
    rate = () if kbit is None else ("rate", f"{kbit}kbit")
    return (
        *("tc", "qdisc", "replace", "dev", interface, "root", "netem"),
        *("delay", f"{delay_ms}ms", *rate),
    )


def full_speed_command(interface: str) -> Command:
    """Return what takes away what slows one end of a line; it fails where nothing does."""
    return ("tc", "qdisc", "delete", "dev", interface, "root")


def _set_of(machines: Iterable[Machine]) -> str:
    return "{ " + ", ".join(f'"{machine.interface}"' for machine in machines) + " }"


def _version(address: str) -> int:
    return ipaddress.ip_address(address).version
