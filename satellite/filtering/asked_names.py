"""Which addresses and domains of a message is a DNS list asked about?

Pure. What a stranger wrote is asked about only when DNS can hold it, so that no message makes a
list look silent; and only so many names of one message, whatever it holds.

Source: RFC 5782 sections 2.1, 2.2 and 2.4.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from common.address import AddressError, canonical_ip, parse_domain
from common.client_network import network_of
from common.frozen import dataclass
from satellite.filtering.filter import Mail
from satellite.filtering.list_terms import NAME_LENGTH_MAX, AskedOf, ListTerms
from satellite.filtering.listing import is_public, label_of_address
from satellite.filtering.registered import registered_domain
from satellite.filtering.url_hosts import UrlHosts

NAMES_MAX = 20  # of URLs, for one list and message: the first and the last ones
RECEIVED_MAX = 5  # addresses of earlier hops
FROM_MAX = 3  # domains of authors
FIELDS_MAX = 10  # fields of a name that are read

_OF_ADDRESSES = (AskedOf.CLIENT, AskedOf.RECEIVED, AskedOf.URL_ADDRESS)
_OF_DOMAINS = (AskedOf.URL, AskedOf.FROM_DOMAIN, AskedOf.SENDER_DOMAIN, AskedOf.HELO)

_BRACKETED = re.compile(r"\[(?:ipv6:)?([0-9a-f.:]{2,45})\]", re.IGNORECASE)
_DOMAIN = re.compile(r"@([^\s<>()\[\]:;@\\,\"]{1,253})")


@dataclass(frozen=True, slots=True)
class AskedName:
    """One thing that a list is asked about.

    Args:
        of: what of the message it is.
        subject: the address or domain, for people.
        label: what stands before the list's zone.
        whose: what counts for how much a list lists: the client, or for what a message holds the
            network that brought it, since one stranger may write a thousand names.
    """

    of: AskedOf
    subject: str
    label: str
    whose: str = ""


def asked_names(mail: Mail, terms: ListTerms, hosts: UrlHosts) -> tuple[AskedName, ...]:
    """Return what a list is asked about, each once.

    Args:
        mail: the message.
        terms: of the list.
        hosts: of its URLs; empty where the list is not asked about them.
    """
    found: dict[str, AskedName] = {}
    client = mail.envelope.client_address
    network = network_of(canonical_ip(client)) if is_public(client) else ""
    for of in AskedOf:
        if of in terms.asks:
            for subject in _subjects(of, mail, terms, hosts):
                name = _asked(of, subject, whose="" if of is AskedOf.CLIENT else network)
                if len(name.label) + 1 + len(terms.zone) <= NAME_LENGTH_MAX:
                    found.setdefault(name.label, name)
    return tuple(found.values())


def names_of_subject(text: str, terms: ListTerms) -> tuple[AskedName, ...]:
    """Return what a list is asked about an address or a domain that somebody typed.

    Returns:
        Nothing when the list knows no such thing: domains or addresses alone.
    """
    try:
        address = canonical_ip(text)
    except ValueError:
        of = next((one for one in _OF_DOMAINS if one in terms.asks), None)
        return tuple(_asked(of, name) for name in _names([text], terms)) if of else ()
    of = next((one for one in _OF_ADDRESSES if one in terms.asks), None)
    return (_asked(of, address),) if of else ()


def _asked(of: AskedOf, subject: str, *, whose: str = "") -> AskedName:
    is_address = ":" in subject or subject.rpartition(".")[2].isdigit()
    label = label_of_address(subject) if is_address else subject
    return AskedName(of, subject, label, whose or subject)


def _subjects(of: AskedOf, mail: Mail, terms: ListTerms, hosts: UrlHosts) -> Iterable[str]:
    match of:
        case AskedOf.CLIENT:
            client = mail.envelope.client_address
            return [canonical_ip(client)] if is_public(client) else []
        case AskedOf.RECEIVED:
            return _hops(mail)
        case AskedOf.URL_ADDRESS:
            return _ends([one for one in hosts.addresses if is_public(one)])
        case AskedOf.URL:
            return _ends(list(dict.fromkeys(_names(hosts.names, terms))))
    return _names(_domains(of, mail), terms)


def _domains(of: AskedOf, mail: Mail) -> list[str]:
    if of is AskedOf.HELO:
        return [mail.envelope.helo]
    if of is AskedOf.SENDER_DOMAIN:
        return [mail.envelope.sender.rpartition("@")[2]]
    fields = mail.headers.get_all("from", limit=FIELDS_MAX)
    return [domain for field in fields for domain in _DOMAIN.findall(field)][:FROM_MAX]


def _hops(mail: Mail) -> list[str]:
    """Return the addresses of earlier hops, the nearest first; whoever wrote them may have lied."""
    client = mail.envelope.client_address
    found: dict[str, None] = {}
    for field in mail.headers.get_all("received", limit=FIELDS_MAX):
        for text in _BRACKETED.findall(field):
            if is_public(text):
                found[str(ipaddress.ip_address(text))] = None
    found.pop(canonical_ip(client) if client else "", None)
    return list(found)[:RECEIVED_MAX]


def _names(texts: Iterable[str], terms: ListTerms) -> Iterator[str]:
    """Yield the registered domain of each name, and the name itself where the list knows hosts."""
    for text in texts:
        try:
            name = parse_domain(text)
        except AddressError:
            continue
        if "." not in name or name.rpartition(".")[2].isdigit():
            continue
        registered = registered_domain(name)
        yield registered
        if not terms.is_registered_alone and name != registered:
            yield name


def _ends(names: list[str]) -> list[str]:
    """Return the first and the last of too many: what pads a message stands in between."""
    if len(names) <= NAMES_MAX:
        return names
    return names[: NAMES_MAX // 2] + names[-NAMES_MAX // 2 :]
