"""Which DNS name is asked of a DNSBL for an address, and what do its return codes mean?

Pure. Only configured codes count. What no honest answer can hold (an error code, an address outside
127.0.0.0/8) means that the list is broken, hijacked or gone, and says nothing about the client:
other gateways took it for a listing and refused all mail.

Source: RFC 5782 sections 2.1, 2.3, 2.4 and 5.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from common.frozen import dataclass

_ERRORS = ipaddress.IPv4Network("127.255.255.0/24")
_ERROR_MEANINGS = {
    "127.255.255.252": "the zone's name is mistyped",
    "127.255.255.254": "it refuses queries through a public or open resolver",
    "127.255.255.255": "too many queries",
}
# Where no list says anything of use: our own networks. Documentation networks are no such place.
_OURS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/127",
        "fc00::/7",
        "fe80::/10",
    )
)

LISTED_TEST = {4: "127.0.0.2", 6: "::ffff:7f00:2"}  # RFC 5782 section 5: must be listed
UNLISTED_TEST = {4: "127.0.0.1", 6: "::ffff:7f00:1"}  # must not


@dataclass(frozen=True, slots=True)
class Listed:
    """The list has the address under codes that count."""

    codes: tuple[str, ...]
    points: float


@dataclass(frozen=True, slots=True)
class NotListed:
    """The list does not have the address, or only under codes that nobody configured."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The list answers what no list should; it must not be asked for a while."""

    reason: str


Reading = Listed | NotListed | Broken


def query_name(address: str, zone: str) -> str:
    """Return the name to ask for: the address reversed, by octets or by nibbles, and the zone.

    Args:
        address: IPv4 or IPv6 in text; never interpreted as the other.
        zone: A-labels.
    """
    parsed = ipaddress.ip_address(address)
    # reverse_pointer ends in .in-addr.arpa or .ip6.arpa
    return f"{parsed.reverse_pointer.rsplit('.', 2)[0]}.{zone}"


def is_public(address: str) -> bool:
    """Say whether a list can know an address: it is none of a private or local network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False  # a message of our own has no client
    return not any(parsed in network for network in _OURS if network.version == parsed.version)


def read_answer(addresses: tuple[str, ...], codes: Mapping[str, float]) -> Reading:
    """Return what an answer means.

    Several codes of one list mostly tell of one fact, so the points are those of the weightiest
    code (the one furthest from zero), not their sum.

    Args:
        addresses: the A records; empty when the name does not exist.
        codes: the codes that count, with their points.
    """
    for address in addresses:
        parsed = ipaddress.IPv4Address(address)
        if parsed in _ERRORS:
            meaning = _ERROR_MEANINGS.get(address, "an error code")
            return Broken(f"answers {address}: {meaning}")
        if not parsed.is_loopback:
            return Broken(f"answers {address}, which no list does: hijacked, or gone")
    hits = sorted((code for code in set(addresses) if code in codes), key=ipaddress.IPv4Address)
    if not hits:
        return NotListed()
    return Listed(tuple(hits), max((codes[code] for code in hits), key=abs))
