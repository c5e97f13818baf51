"""Which network is a client in, whose addresses count as one client's?

Pure. Whoever has one address of a /24 (IPv4) or a /64 (IPv6) mostly has the others: connections,
refusals and processor time are counted by them.
"""

from __future__ import annotations

import functools
import ipaddress

IPV4_PREFIX, IPV6_PREFIX = 24, 64


@functools.lru_cache(maxsize=4096)  # a client comes again, and is counted in several places
def network_of(address: str) -> str:
    """Return the network, such as ``192.0.2.0/24``, that an address in canonical text is in."""
    prefix = IPV6_PREFIX if ":" in address else IPV4_PREFIX
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
