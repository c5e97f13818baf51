"""Which URLs does a text have, and how is one written so that two ways of writing it are one?

Pure, and linear in its input. Browsers forgive much of what hides a host from whoever looks for it:
breaks and tabs, backslashes, per cent signs, full-width letters and dots, a missing scheme. What
they would ask is what counts here.

Source: WHATWG URL sections 4.4 (basic parser) and 3.5 (host parser), RFC 3986 section 2.1,
RFC 3490 section 3.1 (dots).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

URL_LENGTH_MAX = 512  # characters of one; what is behind is cut
_ADDRESS_LENGTH_MAX = 4_096  # of one as it is written

# Without IGNORECASE, which tries every sign of a text: four times as quick.
_IN_TEXT = re.compile(
    r"(?=[hHfFwW/])(?:\b(?:[hH][tTxX][tTxX][pP][sS]?:|[fF][tT][pP]:|[wW]{3}\.)"
    r"|(?<![\w:/\\])//(?=[\w.-]+\.))[^\s<>\"'`{}|\u200b-\u200f\u2028-\u202e]{3,4096}"
)
# The end of a host without a scheme, and its path: seldom anything else, and quick to find. Whether
# a host stands before it is looked at there.
_BARE = re.compile(r"\.[a-zA-Z]{2,24}/[^\s<>\"'`{}|\u200b-\u200f\u2028-\u202e]{1,4096}")
_HOST_BEFORE = re.compile(
    r"(?:^|(?<=[\s<>\"'(\[]))((?!www\.)[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)\Z"
)
_HOST_LENGTH_MAX = 254
_BEHIND = ".,;:!?)]*_~"  # what ends a sentence, or a mark around the link
_BREAKS = re.compile(r"[\t\r\n]+")
_SCHEME = re.compile(r"(?i)(https?|hxxps?|ftp):[/\\]*")
_RELATIVE = re.compile(r"[/\\]{2,}")
_END_OF_HOST = re.compile(r"[/\\?#]")
_UNSEEN = re.compile("[\xad\u200b-\u200f\u2060\ufeff]+")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f]+")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


def urls_in(text: str) -> Iterable[str]:
    """Yield what looks like a URL in a text, as ``usual`` writes it; bare hosts come last."""
    for found in _IN_TEXT.finditer(text):
        written = found[0].rstrip(_BEHIND)
        if (url := usual(written)) is not None:
            yield url
    for found in _BARE.finditer(text):
        host = _HOST_BEFORE.search(text, max(0, found.start() - _HOST_LENGTH_MAX), found.start())
        if host is not None:
            written = f"//{host[1]}{found[0].rstrip(_BEHIND)}"
            if (url := usual(written)) is not None:
                yield url


def usual(address: str) -> str | None:
    """Return a URL as a browser would ask for it, or None where it asks no host.

    Scheme and host in lower case, the host decoded, without a port that goes without saying; path
    and query as they were written. It is cut behind ``URL_LENGTH_MAX``, and has its user then and
    before left out: whoever writes one wants it to be taken for the host.
    """
    written = _BREAKS.sub("", address[:_ADDRESS_LENGTH_MAX]).strip()
    if scheme_found := _SCHEME.match(written):
        scheme, rest = scheme_found[1].lower().replace("xx", "tt"), written[scheme_found.end() :]
    elif relative := _RELATIVE.match(written):
        scheme, rest = "http", written[relative.end() :]
    elif written[:4].lower() == "www.":
        scheme, rest = "http", written
    else:
        return None
    end = _END_OF_HOST.search(rest)
    place = end.start() if end else len(rest)
    host = _host(rest[:place].rpartition("@")[2], scheme)
    if not host:
        return None
    path = _CONTROLS.sub("", rest[place:]).replace("\\", "/")
    return f"{scheme}://{host}{path}"[:URL_LENGTH_MAX]


def host_of(url: str) -> str:
    """Return the host of a URL as ``usual`` writes it, without its port."""
    host = _END_OF_HOST.split(url.partition("://")[2], maxsplit=1)[0]
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _host(written: str, scheme: str) -> str:
    """Return a host, with its port where that is unusual."""
    if written.startswith("["):  # an IPv6 address
        return _CONTROLS.sub("", written.lower())
    host, colon, port = written.partition(":")
    if "%" in host:
        host = unquote(host)
    if not host.isascii():
        host = unicodedata.normalize("NFKC", _UNSEEN.sub("", host).translate(_DOTS))
    host = _CONTROLS.sub("", host).lower().strip(".")
    if not host or _END_OF_HOST.search(host) or "@" in host:
        return ""
    host = _as_address(host)
    is_usual = port in ("", "443" if scheme == "https" else "80")
    return host if is_usual or not colon or not port.isdecimal() else f"{host}:{port[:5]}"


def _as_address(host: str) -> str:
    """Return the address that numbers stand for, however they are written, else the host."""
    numbers = host.split(".")
    if not numbers[-1][:1].isdigit() or len(numbers) > 4 or len(host) > 64:
        return host
    values = [_value(number) for number in numbers]
    known = [value for value in values if value is not None]
    if len(known) != len(values) or any(value > 255 for value in known[:-1]):
        return host
    if known[-1] >= 256 ** (5 - len(known)):
        return host
    whole = known[-1] + sum(value << 8 * (3 - place) for place, value in enumerate(known[:-1]))
    return ".".join(str(whole >> shift & 255) for shift in (24, 16, 8, 0))


def _value(number: str) -> int | None:
    """Return what a number of an address is: hexadecimal, octal or decimal."""
    if not number.isascii() or not _NUMBER.fullmatch(number):
        return None
    try:
        if number.startswith("0x"):
            return int(number[2:] or "0", 16)
        return int(number, 8 if number.startswith("0") and len(number) > 1 else 10)
    except ValueError:
        return None
