"""Which domain does a message say that its author is of?

Pure. There is an answer only where all readers see the same one: one From field, whose mailboxes
are all of one domain. Source: RFC 9989 section 5.3.1 (extracting the author domain).
"""

from __future__ import annotations

from common.address import AddressError, parse_domain
from common.frozen import dataclass
from satellite.headers.block import HeaderBlock
from satellite.headers.mailboxes import ShownMailbox, mailboxes


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message, as it says.

    Args:
        domain: A-labels; empty: there is no such one.
        reason: why not; else empty.
    """

    domain: str
    reason: str = ""


def author_of(block: HeaderBlock) -> Author:
    """Return the author's domain of a message."""
    fields = [span for span in block.by_key.get(b"from", ()) if b":" in span.raw]
    if len(fields) != 1:
        return Author("", "there is no From" if not fields else "there are several From")
    domains: dict[str, None] = {}
    for mailbox in mailboxes(fields[0].value):
        try:
            domains[_domain_of(mailbox)] = None
        except AddressError:
            return Author("", "From has an address without a domain")
    if len(domains) != 1:
        return Author("", "From has no address" if not domains else "From has several domains")
    return Author(next(iter(domains)))


def _domain_of(mailbox: ShownMailbox) -> str:
    return parse_domain(mailbox.domain)
