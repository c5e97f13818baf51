"""Which domain and which mailbox does a text name?

Pure. Domains are compared as A-labels in lower case, local parts case-folded; a local part is sent
on as it came. In the place of a domain an address literal may stand: it is nobody's route, but a
device in a customer's network sends from it. Source: RFC 5321 sections 4.1.2 and 4.1.3, RFC 5891
(IDNA), RFC 6531.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata
from typing import NewType

import idna

from common.errors import PeerError
from common.frozen import dataclass

Domain = NewType("Domain", str)  # A-labels, lower case, no final dot; or an address literal

DOMAIN_LENGTH_MAX = 253  # RFC 1035 section 2.3.4, without the root's dot
# Octets; RFC 5321 section 4.5.3.1.3 less the brackets. There is no limit of the local part alone:
# section 4.5.3.1 wants none, and list managers, VERP and SRS need more than its 64.
ADDRESS_LENGTH_MAX = 254

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PLAIN_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))+")

# Dots may stand anywhere: such mailboxes exist. Of the rest, what RFC 5321 allows.
_UNQUOTED = re.compile(r'[^\s<>()\[\]:;@\\,"]+')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_HOST = r"@(?:\[[^\]]*\]|[^\s,:@\[\]]+)"
_ROUTE = re.compile(rf"{_HOST}(?:,{_HOST})*:")
_IPV6_TAG = "ipv6:"


class AddressError(PeerError):
    """A text that should be a domain or an address is none."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the local part as it came, and its domain."""

    local: str
    domain: Domain

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def folded(self) -> str:
        """The form in which addresses are compared and stored as keys."""
        return f"{self.local.casefold()}@{self.domain.lower()}"


def parse_domain(text: str) -> Domain:
    """Return the A-label form of a domain name.

    Raises:
        AddressError: it is no domain name, or not one that DNS can hold.
    """
    lowered = text.lower().removesuffix(".")
    if _PLAIN_DOMAIN.fullmatch(lowered) and len(lowered) <= DOMAIN_LENGTH_MAX:
        if "xn--" not in lowered:
            return Domain(lowered)
    elif not text.isascii():
        return _from_unicode(text)
    labels = lowered.split(".")
    if len(lowered) > DOMAIN_LENGTH_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError(f"{text[:80]!r} is no domain name")
    return Domain(lowered)


def _from_unicode(text: str) -> Domain:
    try:
        # The full stop at the end may be one of another script, which becomes ours on the way.
        encoded = idna.encode(text, uts46=True).decode("ascii").removesuffix(".")
    except idna.IDNAError as error:
        raise AddressError(f"{text[:80]!r} is no domain name") from error
    if len(encoded) > DOMAIN_LENGTH_MAX:
        raise AddressError(f"{text[:80]!r} is too long for a domain name")
    return Domain(encoded)


def parse_address(text: str) -> Address:
    """Return the mailbox that ``text`` names; the last ``@`` separates.

    The local part may be a quoted string, and the domain an address literal. No source routes, no
    ``%`` or ``!`` is interpreted.

    Raises:
        AddressError: it is no mailbox.
    """
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise AddressError(f"{text[:80]!r} is no address; it needs a local part, @ and a domain")
    if not local.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in local):
        raise AddressError("an address must not hold control characters")
    if not (_UNQUOTED.fullmatch(local) or _QUOTED.fullmatch(local)):
        raise AddressError(f"the local part of {text[:80]!r} has signs that need quotes")
    address = Address(local, _domain_or_literal(domain))
    octets = len(local.encode("utf-8", "replace")) + 1 + len(address.domain)  # which is ASCII
    if octets > ADDRESS_LENGTH_MAX:
        raise AddressError(f"{text[:80]!r} is longer than {ADDRESS_LENGTH_MAX} octets")
    return address


def without_route(path: str) -> str:
    """Return a path without its source route: RFC 5321 section 4.1.1.3 wants it to be ignored."""
    if not path.startswith("@"):
        return path
    route = _ROUTE.match(path)
    return path[route.end() :] if route is not None else path


def literal_address(domain: str) -> str | None:
    """Return the IP address in canonical text if a domain is an address literal, else None."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inside = domain[1:-1]
    is_ipv6 = inside.lower().startswith(_IPV6_TAG)
    try:
        address = ipaddress.ip_address(inside[len(_IPV6_TAG) :] if is_ipv6 else inside)
    except ValueError:
        return None
    if address.version != (6 if is_ipv6 else 4) or "%" in inside:  # a zone is no address's part
        return None
    return str(address)


def _domain_or_literal(text: str) -> Domain:
    if not text.startswith("["):
        return parse_domain(text)
    address = literal_address(text)
    if address is None:
        raise AddressError(f"{text[:80]!r} is no address literal")
    return Domain(f"[IPv6:{address}]" if ":" in address else f"[{address}]")


@functools.lru_cache(maxsize=4096)  # each recipient is asked about several times on its way
def fold(text: str) -> str:
    """Return the comparable form of an address that was already accepted."""
    local, _, domain = text.rpartition("@")
    return f"{local.casefold()}@{domain.lower()}"


def domain_of(text: str) -> Domain:
    """Return the domain of an address that was already accepted."""
    return Domain(text.rpartition("@")[2].lower())


def canonical_ip(text: str) -> str:
    """Return an IP address in its shortest form; a mapped IPv4 address becomes plain IPv4."""
    return _canonical_ip(text)


@functools.lru_cache(maxsize=4096)
def _canonical_ip(text: str) -> str:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
