"""What does a domain-spec of an SPF record come to, for one message?

Pure. The macro ``p`` asks DNS. The syntax was checked when the record was read.

Source: RFC 7208 sections 7.2 to 7.4 and 5.5.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote

from common.frozen import dataclass
from satellite.authentication.asking import NAME_LENGTH_MAX, Asking, RecordKind, ask
from satellite.names.answer import LookupResult

PTR_NAMES_MAX = 10  # RFC 7208 section 4.6.4
EXPANDED_LENGTH_MAX = 2_000  # characters; then the labels on the left go

_PIECE = re.compile(r"%\{([a-z])([0-9]*)(r?)([.+,/_=-]*)\}|%([%_-])|([^%]+)", re.IGNORECASE)
_PLAIN = {"%": "%", "_": " ", "-": "%20"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfCase:
    """Of whom SPF is asked.

    Args:
        client: the address; a mapped IPv4 one is plain IPv4.
        helo: as the client said.
        local: the sender's local part; ``postmaster`` where there is none.
        domain: the sender's domain, or HELO's name.
    """

    client: Address
    helo: str
    local: str
    domain: str


def expanded(spec: str, case: SpfCase, domain: str) -> Asking[str]:
    """Return a domain-spec with its macros replaced, as long as a name may be.

    Args:
        spec: the domain-spec.
        case: of whom is asked.
        domain: whose record it stands in.
    """
    pieces: list[str] = []
    values: dict[str, str] = {}  # each found out once: ``p`` reads hundreds of answers of DNS
    for match in _PIECE.finditer(spec):
        letter, digits, is_reversed, delimiters, sign, text = match.groups()
        if letter is None:
            pieces.append(_PLAIN[sign] if sign else text)
            continue
        name = letter.lower()
        if name not in values:
            values[name] = yield from _value(name, case, domain)
        made = _transformed(values[name], int(digits or 0), bool(is_reversed), delimiters or ".")
        pieces.append(quote(made, safe="-._~") if letter.isupper() else made)
    whole = "".join(pieces)[-EXPANDED_LENGTH_MAX:].removesuffix(".")
    while len(whole) > NAME_LENGTH_MAX and "." in whole:
        whole = whole.partition(".")[2]
    return whole


def _value(letter: str, case: SpfCase, domain: str) -> Asking[str]:
    if letter == "p":
        return (yield from _own_name(case, domain))
    return {
        "s": f"{case.local}@{case.domain}",
        "l": case.local,
        "o": case.domain,
        "d": domain,
        "i": _dotted(case.client),
        "h": case.helo,
        "v": "in-addr" if case.client.version == 4 else "ip6",
    }[letter]


def _dotted(client: Address) -> str:
    return str(client) if client.version == 4 else ".".join(client.exploded.replace(":", ""))


def _transformed(value: str, kept: int, is_reversed: bool, delimiters: str) -> str:
    parts = re.split(f"[{re.escape(delimiters)}]", value)
    if is_reversed:
        parts.reverse()
    return ".".join(parts[-kept:] if kept else parts)


def _own_name(case: SpfCase, domain: str) -> Asking[str]:
    """Return the client's own name: the domain's if it has it, one below it, or any."""
    names = yield from client_names(case.client)
    wanted = domain.lower()
    below = (name for name in names if name.endswith("." + wanted))
    return wanted if wanted in names else next(below, names[0] if names else "unknown")


def client_names(client: Address) -> Asking[list[str]]:
    """Return the names of a client that lead back to it; a failure is none (section 5.5)."""
    heard = yield from ask(client.reverse_pointer, RecordKind.PTR)
    kind = RecordKind.A if client.version == 4 else RecordKind.AAAA
    found: list[str] = []
    for record in heard.records[:PTR_NAMES_MAX]:
        name = record.lower().removesuffix(".")
        addresses = yield from ask(name, kind)
        if addresses.found is LookupResult.RECORDS and any(
            ipaddress.ip_address(address) == client for address in addresses.records
        ):
            found.append(name)
    return found
