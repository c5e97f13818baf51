"""What does a DNS list's answer mean, and how is an address asked for?

Pure. Only configured codes count. What no honest answer can hold (an error code, an address outside
127.0.0.0/8) means that the list is broken, hijacked or gone, and says nothing about the client:
other gateways took it for a listing and refused all mail.

Source: RFC 5782 sections 2.1, 2.3 and 2.4.
"""

from __future__ import annotations

import functools
import ipaddress

from common.frozen import dataclass

NOT_SERVED = "127.0.0.1"  # by SURBL and URIBL; RFC 5782 has it for nothing
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

_ANY_OCTET = "*"


@dataclass(frozen=True, slots=True)
class ListCode:
    """One answer that counts.

    Args:
        text: as it is configured.
        value, mask: an answer has it when its bits under the mask are those of the value.
        points: what it gives.
    """

    text: str
    value: int
    mask: int
    points: float

    def is_in(self, answer: int) -> bool:
        """Say whether an answer, as a number, has this code."""
        return answer & self.mask == self.value


@dataclass(frozen=True, slots=True)
class Listed:
    """The list has the address under codes that count."""

    codes: tuple[str, ...]
    points: float


@dataclass(frozen=True, slots=True)
class NotListed:
    """The list does not have it, or only under answers that nobody configured, which are these."""

    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """The list answers what no list should; it must not be asked for a while."""

    reason: str


Reading = Listed | NotListed | Broken


def code_of(text: str, points: float, *, is_bit: bool = False) -> ListCode:
    """Return a code as it is configured: an address, in which ``*`` stands for any octet.

    Args:
        text: such as ``127.0.0.2`` or ``127.0.*.3``.
        points: what it gives.
        is_bit: an answer has it when it has its bits, whatever else it has.
    """
    value = mask = 0
    for octet in text.split("."):
        is_any = octet == _ANY_OCTET
        value = value << 8 | (0 if is_any else int(octet))
        mask = mask << 8 | (0 if is_any else 0xFF)
    return ListCode(text, value, value if is_bit else mask, points)


def is_answer(text: str) -> bool:
    """Say whether a text is an address that a list may answer."""
    try:
        return ipaddress.IPv4Address(text).is_loopback
    except ValueError:
        return False


@functools.lru_cache(maxsize=4096)  # each list is asked about the same client
def label_of_address(address: str) -> str:
    """Return what stands before the zone: the address reversed, by octets or by nibbles.

    Args:
        address: IPv4 or IPv6 in text; never interpreted as the other.
    """
    # reverse_pointer ends in .in-addr.arpa or .ip6.arpa
    return ipaddress.ip_address(address).reverse_pointer.rsplit(".", 2)[0]


@functools.lru_cache(maxsize=4096)
def is_public(address: str) -> bool:
    """Say whether a list can know an address: it is none of a private or local network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False  # a message of our own has no client
    return not any(parsed in network for network in _OURS if network.version == parsed.version)


def read_answer(
    addresses: tuple[str, ...], codes: tuple[ListCode, ...], errors: frozenset[str] = frozenset()
) -> Reading:
    """Return what an answer means.

    Several codes of one list mostly tell of one fact, so the points are those of the weightiest
    code (the one furthest from zero), not their sum.

    Args:
        addresses: the A records; empty when the name does not exist.
        codes: the codes that count, with their points.
        errors: what this list answers to whom it does not serve.
    """
    hits: dict[str, float] = {}
    others: list[str] = []
    for address in sorted(set(addresses), key=ipaddress.IPv4Address):
        found = [code for code in codes if code.is_in(int(ipaddress.IPv4Address(address)))]
        fault = _fault_of(address, errors, is_known=bool(found))
        if fault:
            return Broken(fault)
        hits |= {code.text: code.points for code in found}
        if not found:
            others.append(address)
    if not hits:
        return NotListed(tuple(others))
    return Listed(tuple(hits), max(hits.values(), key=abs))


def _fault_of(address: str, errors: frozenset[str], *, is_known: bool) -> str:
    """Return what is wrong with an answer, or nothing."""
    parsed = ipaddress.IPv4Address(address)
    if parsed in _ERRORS:
        meaning = _ERROR_MEANINGS.get(address, "an error code")
        return f"answers {address}: {meaning}"
    if not parsed.is_loopback:
        return f"answers {address}, which no list does: hijacked, or gone"
    if address in errors or (address == NOT_SERVED and not is_known):
        return f"answers {address}: it does not serve us"
    return ""
