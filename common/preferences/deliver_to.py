"""Where does one entry of ``deliver_to`` send mail: by which protocol, to which host and port?

Pure. ``HOST:PORT`` is a server by SMTP, ``lmtp:HOST:PORT`` one by LMTP, and ``NAME/mx`` the hosts
that the MX of a name leads to (``NAME:PORT/mx``: at another port). Without a port it is 25; LMTP
must not be there.

Source: RFC 2033 section 5 (LMTP needs a port of its own), RFC 5321 section 5.1 (MX).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from common.address import AddressError, parse_domain

SMTP_PORT = 25
_LMTP = "lmtp:"
_MX = "/mx"


@dataclass(frozen=True, slots=True)
class Target:
    """A host of a destination, by name or address."""

    host: str
    port: int
    is_lmtp: bool = False
    is_mx: bool = False  # the host is a name whose MX leads to the hosts

    def __str__(self) -> str:
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"{_LMTP * self.is_lmtp}{where}{_MX * self.is_mx}"


def parse_deliver_to(text: str) -> Target:
    """Return what one entry of ``deliver_to`` names.

    Raises:
        ValueError: it is no such entry; says what would be.
    """
    is_lmtp, is_mx = text.startswith(_LMTP), text.endswith(_MX)
    bare = text.removeprefix(_LMTP).removesuffix(_MX)
    if is_lmtp and is_mx:
        raise ValueError(f"{text[:80]!r}: an MX leads to hosts by SMTP; write NAME/mx alone")
    if not bare:
        raise ValueError(f"{text[:80]!r} names no host")
    host, port = split_target(bare)
    if is_lmtp and (port == SMTP_PORT or not _has_port(bare)):
        raise ValueError(f"{text[:80]!r}: LMTP is never at port 25; write lmtp:HOST:PORT")
    if is_mx and _is_address(host):
        raise ValueError(f"{text[:80]!r}: an address has no MX; write {bare} without {_MX}")
    return Target(host, port, is_lmtp, is_mx)


def split_target(target: str) -> tuple[str, int]:
    """Return host and port of a server such as ``mail.acme.example:25``.

    An IPv6 address stands in brackets; without a port it is 25.

    Raises:
        ValueError: it is no such entry.
    """
    host, port = target, str(SMTP_PORT)
    if _has_port(target):
        host, _, port = target.rpartition(":")
    if not (port.isdigit() and port.isascii()) or not 1 <= int(port[:6]) <= 65_535:
        raise ValueError(f"{target[:80]!r} has no valid port; write HOST:PORT")
    bare = host.removeprefix("[").removesuffix("]")
    # A name is most often one at a glance, and reading it as an address is what costs most here.
    if ":" in bare or bare[-1:].isdigit():
        try:
            return str(ipaddress.ip_address(bare)), int(port)
        except ValueError:
            pass
    try:
        return parse_domain(bare), int(port)
    except AddressError as error:
        raise ValueError(str(error)) from None


def _has_port(text: str) -> bool:
    return ":" in text and not text.endswith("]")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
