"""Which host names stand in MX records, and which addresses have they?

Pure. There are two ways. ``fixed``: a customer publishes three names of ours once, and a reordering
changes only addresses in our own zone, which takes minutes. ``sites``: a customer publishes the
sites' names, and every reordering is a change in the customer's own zone.

Source: MX targets have addresses of their own and are no CNAME: RFC 5321 section 5.1, RFC 2181
section 10.3. How long a name may be: RFC 1035 section 2.3.4.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from common.address import DOMAIN_LENGTH_MAX
from inventory.model import Cluster, Site

SMTP_LABELS = "_25._tcp"  # before a host: its TLSA records
STS_LABEL = "_mta-sts"
REPORTS_LABELS = "_smtp._tls"
ID_LENGTH = 16  # 80 bits: among a million domains no two meet

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"  # base32: RFC 4648 section 6
_PAIRS = [
    one + other for one in _DIGITS for other in _DIGITS
]  # ten bits at once: three times faster
_SHIFTS = range(70, -1, -10)


class Naming(StrEnum):
    """Whose names stand in the customers' MX records."""

    FIXED = "fixed"
    SITES = "sites"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a host, IPv4 and IPv6, each sorted."""

    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]


def host_of(naming: Naming, *, domain: str, rank: int, site: str, mail_domain: str) -> str:
    """Return the host name of one MX, without a final dot.

    Args:
        rank: 1 for the best MX.
    """
    if naming is Naming.FIXED:
        return f"p{rank}-{identifier(domain)}.{mail_domain}"
    return f"mx-{site}.{mail_domain}"


def hosts_of(naming: Naming, *, domain: str, sites: Sequence[str], mail_domain: str) -> list[str]:
    """Return the host names of all MX of a domain, the best first."""
    if naming is Naming.FIXED:
        label = identifier(domain)
        return [f"p{rank}-{label}.{mail_domain}" for rank in range(1, len(sites) + 1)]
    return [f"mx-{site}.{mail_domain}" for site in sites]


def identifier(domain: str) -> str:
    """Return what stands for a domain in our own names: one label, whatever the domain's length."""
    number = int.from_bytes(hashlib.sha256(domain.encode()).digest()[: ID_LENGTH * 5 // 8])
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def addresses_of(site: Site) -> Addresses:
    """Return the public addresses of all nodes of a site."""
    every = {ipaddress.ip_address(text) for node in site.nodes for text in node.public}
    return Addresses(
        tuple(str(a) for a in sorted(a for a in every if isinstance(a, ipaddress.IPv4Address))),
        tuple(str(a) for a in sorted(a for a in every if isinstance(a, ipaddress.IPv6Address))),
    )


def host_of_node(cluster: Cluster, node: str) -> str:
    """Return the host name of a node."""
    return f"{node}.{cluster.mail_domain}"


def sts_hosts(cluster: Cluster) -> list[str]:
    """Return which hosts the MTA-STS policy names: one label below the mail domain, and others."""
    others = cluster.mta_sts.hosts if cluster.mta_sts is not None else ()
    return [f"*.{cluster.mail_domain}", *others]


def has_room(labels: str, domain: str) -> bool:
    """Return whether DNS can hold a name: some labels before a domain."""
    return len(labels) + 1 + len(domain) <= DOMAIN_LENGTH_MAX


def goes_without(domain: str, *, has_policy: bool, has_reports: bool) -> str:
    """Return what a customer's domain is too long for, in words; empty: nothing.

    Its MX stands at the domain itself, and so always has room.

    Args:
        has_policy: whether customers publish the MTA-STS policy.
        has_reports: whether they publish where reports on TLS go.
    """
    if has_room(REPORTS_LABELS, domain):  # the longest of them; so it is of nearly all domains
        return ""
    lacks = {
        "MTA-STS": has_policy and not has_room(STS_LABEL, domain),
        "TLS reports": has_reports and not has_room(REPORTS_LABELS, domain),
    }
    return " and ".join(what for what, is_lacking in lacks.items() if is_lacking)
