"""Which hosts do the URLs of a message lead to?

Pure, and linear in its input. A URL is read as a browser reads it, since that is what a sender of
spam relies on: backslashes, credentials, escapes, numbers in place of an address, dots that are
none in ASCII. What stands inside another URL is read too.

Source: WHATWG URL, *host parsing* and *IPv4 parser*; RFC 3986 section 3.2; RFC 3492 (A-labels).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from common.address import AddressError, parse_domain
from common.frozen import dataclass
from satellite.filtering.known_hosts import DASHED, leads_on

LENGTH_MAX = 2_048  # characters of a URL that are read
DEPTH_MAX = 3  # URLs inside URLs
HOSTS_MAX = 400  # of a message

_SCHEME = re.compile(r"(?:h(?:tt|xx)ps?|ftp):[/\\]*|[/\\]{2}", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?![0-9]+(?:[/?#]|$))", re.IGNORECASE)
_AUTHORITY_END = re.compile(r"[/\\?#]")
_INNER = re.compile(r"h(?:tt|xx)ps?:[/\\]+|[/=]amp/s/|/c/s/|__h(?:tt|xx)ps?:/+", re.IGNORECASE)
_INNER_END = re.compile(r"[\s\"'<>&]|__;")
_PORT = re.compile(r":[0-9]*$")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_FULL_STOPS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))
_UNSEEN = re.compile(r"[\x00-\x20\x7f\u00ad\u200b-\u200f\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class UrlHosts:
    """Where URLs lead.

    Args:
        names: domain names as A-labels in lower case, each once.
        addresses: IP addresses in canonical text, each once.
    """

    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def hosts_of(urls: Iterable[str]) -> UrlHosts:
    """Return the hosts that URLs lead to, in their order, at most ``HOSTS_MAX``."""
    found: dict[str, None] = {}
    for url in urls:
        for host in _hosts(url[:LENGTH_MAX], DEPTH_MAX):
            found[host] = None
        if len(found) >= HOSTS_MAX:
            break
    hosts = tuple(found)[:HOSTS_MAX]
    addresses = tuple(filter(_is_address, hosts))
    return UrlHosts(tuple(host for host in hosts if host not in addresses), addresses)


def _hosts(url: str, depth: int) -> Iterable[str]:
    host, rest = _split(url)
    if host and not leads_on(host):
        yield host
    if not rest or depth == 0:
        return
    text = unquote(rest.replace("-", "%").replace("_", "/")) if host in DASHED else unquote(rest)
    inner = _INNER.search(text)
    if inner is not None:
        begin = inner.start() if ":" in inner[0] else inner.end()
        target = text[begin:].removeprefix("__")
        yield from _hosts(_INNER_END.split(target, maxsplit=1)[0], depth - 1)


def _split(url: str) -> tuple[str, str]:
    """Return the host that a URL names, empty if there is none, and what stands behind it."""
    url = _UNSEEN.sub("", url)
    scheme = _SCHEME.match(url)
    if scheme is not None:
        url = url[scheme.end() :]
    elif _OTHER_SCHEME.match(url):
        return "", ""
    end = _AUTHORITY_END.search(url)
    authority, rest = (url, "") if end is None else (url[: end.start()], url[end.start() :])
    return _host(authority.rpartition("@")[2]), rest


def _host(text: str) -> str:
    if text.startswith("["):
        return _ipv6(text[1:].partition("]")[0])
    text = unquote(_PORT.sub("", text))
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text).translate(_FULL_STOPS)).lower()
    labels = text.rstrip(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(labels)
    if len(labels) < 2:
        return ""
    try:
        return parse_domain(".".join(labels))
    except AddressError:
        return ""


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return ""
    return "" if address.scope_id else str(address.ipv4_mapped or address)


def _ipv4(parts: list[str]) -> str:
    """Return the address that up to four numbers are, of which the last one fills what is left."""
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return ""
    try:
        *first, last = map(_number, parts)
    except ValueError:
        return ""
    if any(number > 0xFF for number in first) or last >= 256 ** (5 - len(parts)):
        return ""
    value = last + sum(number << (24 - 8 * place) for place, number in enumerate(first))
    return str(ipaddress.IPv4Address(value))


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8 if len(text) > 1 and text[0] == "0" else 10)


def _is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()
