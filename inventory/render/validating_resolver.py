"""How does unbound look names up for a node, and prove what DNSSEC says?

Pure. A node asks for many names and must know which answers are proven: DANE and block lists both
stand on that. So it has a resolver of its own, on loopback, that asks the world itself and sends no
customer's names to somebody else's. Lists refuse those who ask through a public resolver.

Source: unbound.conf(5); RFC 7672 section 2.2.1; docs/inventory.md, *Resolver*.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

RESOLVER_FILE = "unbound.conf"
ANCHOR = "/var/lib/unbound/root.key"  # where Debian keeps the root's key up to date


def is_own_resolver(resolver: str | None) -> bool:
    """Say whether the inventory's resolver is one on the node itself."""
    if resolver is None:
        return False
    host = resolver.rpartition(":")[0].strip("[]")
    return ipaddress.ip_address(host).is_loopback


def resolver_text(resolver: str, public: Sequence[str], *, anchor: str = ANCHOR) -> str:
    """Return the settings.

    Args:
        resolver: ADDRESS:PORT, on loopback.
        public: the node's public addresses: by them it is known which families it can ask by.
        anchor: the file of the root's key.
    """
    host, _, port = resolver.rpartition(":")
    versions = {ipaddress.ip_address(address).version for address in public}
    yes = {True: "yes", False: "no"}
    return f"""\
# Made anew by each rendering; goes to /etc/unbound/unbound.conf.d/borderscout.conf.
server:
    interface: {host.strip("[]")}
    port: {port}
    do-ip4: {yes[4 in versions]}
    do-ip6: {yes[6 in versions]}
    access-control: 127.0.0.0/8 allow
    access-control: ::1 allow
    auto-trust-anchor-file: "{anchor}"
    # What is asked for again soon is looked up before it ends; what is old is never told.
    prefetch: yes
    prefetch-key: yes
    serve-expired: no
    aggressive-nsec: yes
    qname-minimisation: yes
    harden-glue: yes
    harden-dnssec-stripped: yes
    harden-below-nxdomain: yes
    use-caps-for-id: no
    # Block lists answer from 127.0.0.0/8, so private-address must not name it.
    msg-cache-size: 64m
    rrset-cache-size: 128m
    cache-max-ttl: 86400
    cache-max-negative-ttl: 3600
    num-queries-per-thread: 4096
    outgoing-range: 8192
    hide-identity: yes
    hide-version: yes
    log-queries: no
"""
