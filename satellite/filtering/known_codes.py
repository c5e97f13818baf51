"""What do the answers of well-known DNS lists mean, in words?

Pure: tables alone, as the lists document them. They are for people who ask why somebody is listed;
nothing is weighed by them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

_SPAMHAUS_CLIENTS = {
    "127.0.0.2": "SBL: sends spam, or helps those who do",
    "127.0.0.3": "SBL CSS: sends spam of low reputation",
    "127.0.0.4": "XBL: an infected or abused machine",
    "127.0.0.9": "SBL DROP: a hijacked network",
    "127.0.0.10": "PBL: its provider says that no mail comes from there",
    "127.0.0.11": "PBL: a client of a provider, as the list sees it",
    "127.0.0.30": "BCL: a botnet's controller",
}
_SPAMHAUS_DOMAINS = {
    "127.0.1.2": "spam domain",
    "127.0.1.4": "phishing domain",
    "127.0.1.5": "malware domain",
    "127.0.1.6": "botnet's controller",
    "127.0.1.102": "abused legitimate domain: spam",
    "127.0.1.103": "abused redirector",
    "127.0.1.104": "abused legitimate domain: phishing",
    "127.0.1.105": "abused legitimate domain: malware",
    "127.0.1.106": "abused legitimate domain: botnet's controller",
    "127.0.1.255": "an address was asked about, which this list refuses",
}
_CODES: Mapping[str, Mapping[str, str]] = {
    "zen.spamhaus.org": _SPAMHAUS_CLIENTS,
    "sbl.spamhaus.org": _SPAMHAUS_CLIENTS,
    "sbl-xbl.spamhaus.org": _SPAMHAUS_CLIENTS,
    "xbl.spamhaus.org": _SPAMHAUS_CLIENTS,
    "pbl.spamhaus.org": _SPAMHAUS_CLIENTS,
    "dbl.spamhaus.org": _SPAMHAUS_DOMAINS,
}
# By the bit of the last octet.
_BITS: Mapping[str, Mapping[int, str]] = {
    "multi.surbl.org": {8: "phishing", 16: "malware", 64: "abuse", 128: "cracked site"},
    "multi.uribl.com": {2: "black", 4: "grey", 8: "red"},
}
_DNSWL = "list.dnswl.org"
_DNSWL_TRUST = ("none", "low", "medium", "high")


def meaning_of(zone: str, answer: str) -> str:
    """Return what an answer means, where it is known; else empty.

    Args:
        zone: of the list; one below it, as customers of a list are given, is meant too.
        answer: an IPv4 address in text.
    """
    last = ipaddress.IPv4Address(answer).packed[-1]
    if _is_of(zone, _DNSWL):
        return f"trust: {_DNSWL_TRUST[last]}" if last < len(_DNSWL_TRUST) else ""
    for name, codes in _CODES.items():
        if _is_of(zone, name):
            return codes.get(answer, "")
    for name, bits in _BITS.items():
        if _is_of(zone, name):
            return ", ".join(word for bit, word in bits.items() if last & bit)
    return ""


def _is_of(zone: str, name: str) -> bool:
    # A customer's own name stands before that of the list, his key between the two, as in
    # KEY.zen.dq.spamhaus.net.
    first, _, rest = name.partition(".")
    return (
        zone == name
        or zone.endswith(f".{name}")
        or (rest == "spamhaus.org" and zone.endswith(f".{first}.dq.spamhaus.net"))
    )
