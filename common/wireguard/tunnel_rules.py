"""What may reach a machine through its tunnel, as rules of nftables?

Pure. The rules are about the tunnel alone, so that nobody who loads them locks himself out: the
addresses of the VPN are reached through the tunnel and from the machine itself, whatever a route
elsewhere says; through the tunnel comes what the other end is for; and no satellite reaches another
one through the core. They stand in a table of their own, which is replaced as a whole.

Source: nft(8); docs/inventory.md, *Firewall*.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

FIREWALL_FILE = "firewall.nft"
INTERFACE = "wg0"


def firewall_text(vpn_addresses: Sequence[str], *, ports: Sequence[int]) -> str:
    """Return the rules of one machine.

    Args:
        vpn_addresses: its own.
        ports: TCP ports that the other ends of its tunnels may reach.
    """
    opened = f"        tcp dport {{ {', '.join(map(str, ports))} }} accept"
    families = {4: "ip", 6: "ip6"}
    ours = [
        f"        {families[one.version]} daddr {one} iifname != {{ lo, {INTERFACE} }} drop"
        for one in map(ipaddress.ip_address, vpn_addresses)
    ]
    return "\n".join(
        (
            "#!/usr/sbin/nft -f",
            "# Made anew by each rendering, or joining; loaded by borderscout-firewall.service.",
            "table inet borderscout {}",
            "delete table inet borderscout",
            "table inet borderscout {",
            "    chain input {",
            "        type filter hook input priority filter; policy accept;",
            *ours,
            f"        iifname {INTERFACE} jump tunnel",
            "    }",
            "    chain tunnel {",
            "        ct state established,related accept",
            # ICMP and ICMPv6: the path's MTU is measured by them. As numbers: /etc/protocols, which
            # has their names, is not on every machine.
            "        meta l4proto { 1, 58 } accept",
            *([opened] if ports else []),
            "        counter drop",
            "    }",
            "    chain forward {",
            "        type filter hook forward priority filter; policy accept;",
            f"        iifname {INTERFACE} drop",
            f"        oifname {INTERFACE} drop",
            "    }",
            "}",
            "",
        )
    )
