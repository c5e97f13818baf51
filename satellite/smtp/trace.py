"""What does our Received header line say?

Pure. Every word in it is one of ours or was checked to be a token: a HELO name or an address that
is not a plain one is left out, never quoted into shape.

Source: RFC 5321 section 4.4, RFC 3848 and RFC 6531 section 4.3 (``with``), RFC 5322 section 3.3.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime

from common.ids import MessageId

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_HELLO_TOKEN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?")
_LITERAL_TOKEN = re.compile(r"\[(?:IPv6:)?[0-9A-Fa-f.:]{2,45}\]")
_ADDRESS_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,252}@[a-z0-9_.-]{1,253}")
_TLS_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}(?: [A-Za-z0-9._-]{1,64})?")


def received_line(
    *,
    message: MessageId,
    helo: str,
    client_address: str,
    hostname: str,
    extended: bool,
    tls: str,
    smtputf8: bool,
    recipients: tuple[str, ...],
    now_us: int,
    is_lmtp: bool = False,
) -> bytes:
    """Return the trace field of one message, folded, ending in CR LF.

    Args:
        message: our id of it.
        helo: as the client said it.
        client_address: IPv4 or IPv6 in canonical text.
        hostname: our own name.
        extended: the client said EHLO.
        tls: protocol and cipher, or empty.
        smtputf8: MAIL said SMTPUTF8.
        recipients: all of them; ``for`` stands only when there is one, since another one's copy
            must not show who else got it.
        now_us: microseconds since the epoch, UTC.
        is_lmtp: the client said LHLO.
    """
    protocol = with_protocol(extended=extended, tls=bool(tls), smtputf8=smtputf8, is_lmtp=is_lmtp)
    clauses = [f"Received: from {_hello_token(helo)} ({address_literal(client_address)})"]
    clauses.append(f"by {hostname} with {protocol} id {message}")
    if _TLS_TOKEN.fullmatch(tls):
        clauses.append(f"(using {tls})")
    last = f"; {date_time(now_us)}"
    if len(recipients) == 1 and _ADDRESS_TOKEN.fullmatch(recipients[0]):
        clauses.append(f"for <{recipients[0]}>{last}")
    else:
        clauses[-1] += ";"
        clauses.append(date_time(now_us))
    return ("\r\n\t".join(clauses) + "\r\n").encode("ascii")


@functools.lru_cache(maxsize=4)  # one for all messages
def own_hop(hostname: str, mail_domain: str) -> bytes:
    """Return what a trace field of ours has in it and no other, in lower case.

    Nodes are named below the mail domain, so that each knows the fields of all; one that is not
    knows its own.
    """
    host, domain = hostname.lower(), mail_domain.lower()
    is_below = host == domain or host.endswith(f".{domain}")
    return f"{domain if is_below else host} with ".encode()


def with_protocol(*, extended: bool, tls: bool, smtputf8: bool, is_lmtp: bool = False) -> str:
    """Return the registered keyword for how a message came in."""
    if is_lmtp:
        return f"{'UTF8' * smtputf8}LMTP{'S' * tls}"
    if smtputf8:
        return "UTF8SMTPS" if tls else "UTF8SMTP"
    if tls:
        return "ESMTPS"  # there is no keyword for HELO inside TLS
    return "ESMTP" if extended else "SMTP"


def address_literal(address: str) -> str:
    """Return an IP address in canonical text as RFC 5321 section 4.1.3 writes it."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def date_time(now_us: int) -> str:
    """Return the instant as RFC 5322 writes it, in UTC; the names do not depend on the locale."""
    return _second(now_us // 1_000_000)


@functools.lru_cache(maxsize=4)  # many messages share a second
def _second(now_s: int) -> str:
    at = datetime.fromtimestamp(now_s, UTC)
    day = _DAYS[at.weekday()]
    month = _MONTHS[at.month - 1]
    return f"{day}, {at.day} {month} {at.year} {at:%H:%M:%S} +0000"


def _hello_token(helo: str) -> str:
    if _HELLO_TOKEN.fullmatch(helo) or _LITERAL_TOKEN.fullmatch(helo):
        return helo
    return "unknown"
