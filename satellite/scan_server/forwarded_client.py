"""Who sent the mail that another mail server passes to us, as XFORWARD or XCLIENT tells?

Pure. Only what stands in the table of the protocol is taken, each value bounded and still encoded
as it came, so that it can be passed on; decoded are the address and the HELO name alone, for the
filters.

Source: Postfix's XFORWARD_README and XCLIENT_README.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from common import xtext
from common.address import canonical_ip
from common.frozen import dataclass
from satellite.smtp import replies
from satellite.smtp.admission import hello_name
from satellite.smtp.replies import Reply

XFORWARD = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
XCLIENT = ("NAME", "ADDR", "PORT", "PROTO", "HELO")
VALUE_LENGTH_MAX = 255  # of a decoded value; the README bounds a name so
LINE_LENGTH_MAX = 400  # of one command of ours; the README allows 512 octets

_UNKNOWN = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})
_ADDRESS = re.compile(r"(?:IPV6:)?([0-9A-Fa-f:.]{2,45})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedClient:
    """What a mail server tells of its own client.

    Args:
        values: attribute in capitals → its value in xtext as it came.
        address: in canonical text; empty: it is not told.
        helo: the name that it gave itself; empty: it is not told.
    """

    values: Mapping[str, str]
    address: str = ""
    helo: str = ""

    def commands(self) -> Iterator[str]:
        """Yield the XFORWARD commands that pass it on; none where nothing was told."""
        line = ""
        for name in XFORWARD:
            if name not in self.values:
                continue
            word = f" {name}={self.values[name]}"
            if line and len(line) + len(word) > LINE_LENGTH_MAX:
                yield f"XFORWARD{line}"
                line = ""
            line += word
        if line:
            yield f"XFORWARD{line}"


NOBODY = ForwardedClient(values={})


def told(before: ForwardedClient, argument: str, names: tuple[str, ...]) -> ForwardedClient | Reply:
    """Return what is known of a client after one more XFORWARD or XCLIENT, or why it is refused.

    Args:
        before: what was known.
        argument: ``NAME=VALUE`` words.
        names: the attributes that may be told.
    """
    values = dict(before.values)
    words = argument.split()
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name.upper() not in names or not _is_value(value):
            return replies.BAD_ARGUMENT
        values[name.upper()] = value
    if not words:
        return replies.BAD_ARGUMENT
    address = _address(values.get("ADDR", ""))
    if address is None:
        return replies.BAD_ARGUMENT
    return ForwardedClient(values=values, address=address, helo=_helo(values.get("HELO", "")))


def _is_value(value: str) -> bool:
    if value in _UNKNOWN:
        return True
    text = xtext.decoded(value)
    return text is not None and len(text) <= VALUE_LENGTH_MAX


def _address(value: str) -> str | None:
    """Return the address in canonical text, empty when it is not known, None when it is none."""
    text = xtext.decoded(value) or ""
    if not text or value in _UNKNOWN:
        return ""
    match = _ADDRESS.fullmatch(text)
    try:
        return canonical_ip(match[1]) if match else None
    except ValueError:
        return None


def _helo(value: str) -> str:
    text = xtext.decoded(value) or ""
    return "" if value in _UNKNOWN else hello_name(text) or ""
