"""Which octets is a delivered copy made of: our header lines, the message's, the body?

Touches a body through the spool. Our header lines and then the body as it came, in blocks; never
parsed, never re-written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import lru_cache

from common import xtext
from common.envelope import DsnParameters
from common.preferences.policy import EightBit
from satellite.delivery.hop.client import Offer
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Copy, Recipient, Stored

LOOKED_AT_ONCE_BYTES = 2_000_000  # of a copy in the event loop: 1.5 ms
BLOCK_BYTES = 65_536  # what a body in the database has at most: one write for most mail


class CopyContent:
    """One copy of a message.

    Args:
        copy: our lines, and where the body goes on after them.
        body: open until the last block was read.
    """

    def __init__(self, copy: Copy, body: Body) -> None:
        self._body = body
        self._offset = copy.skip
        self.size = len(copy.head) + max(0, body.size - copy.skip)
        self.first = copy.head + body.read(copy.skip, BLOCK_BYTES)
        self._is_eight_bit: bool | None = None  # None: nobody has looked

    def blocks(self) -> Iterator[bytes]:
        """Return the octets in order.

        Raises:
            BodyDamaged: the body cannot be read as it was written.
        """
        yield self.first
        for offset in range(self._offset + BLOCK_BYTES, self._body.size, BLOCK_BYTES):
            yield self._body.read(offset, BLOCK_BYTES)

    async def look(self) -> None:
        """Look for octets beyond ASCII, in a thread if there is very much to look at.

        Raises:
            BodyDamaged: the body cannot be read as it was written.
        """
        if self.size > LOOKED_AT_ONCE_BYTES:
            self._is_eight_bit = await asyncio.to_thread(self._has_eight_bit)

    @property
    def is_eight_bit(self) -> bool:
        """Whether there is an octet beyond ASCII. What BODY= said of it does not count.

        Raises:
            BodyDamaged: the body cannot be read as it was written.
        """
        if self._is_eight_bit is None:
            self._is_eight_bit = self._has_eight_bit()
        return self._is_eight_bit

    def _has_eight_bit(self) -> bool:
        return not all(map(bytes.isascii, self.blocks()))

    @property
    def header_is_ascii(self) -> bool:
        """Whether the header section has nothing beyond ASCII."""
        return self.first.partition(b"\r\n\r\n")[0].isascii()


def offer_of(
    stored: Stored,
    group: Sequence[tuple[Recipient, str]],
    content: CopyContent,
    *,
    eight_bit_policy: EightBit = EightBit.SEND,
) -> Offer:
    """Return the transaction that takes a copy to some recipients.

    SMTPUTF8 is asked for when an address needs it, or when the sender asked for it and the header
    uses it (RFC 6531 section 3.4); a header with stray octets goes as it came.

    Args:
        stored: the message.
        group: recipients, each with the address that is said to the next hop.
        content: their copy.
        eight_bit_policy: what becomes of 8-bit content where 8BITMIME is not offered.
    """
    envelope = stored.envelope
    addresses = tuple([address for _, address in group])
    addresses_are_ascii = envelope.sender.isascii() and "".join(addresses).isascii()
    wide = not addresses_are_ascii or (envelope.smtputf8 and not content.header_is_ascii)
    return Offer(
        sender=envelope.sender,
        recipients=addresses,
        content=content,
        eight_bit=content.is_eight_bit,
        needs_eight_bit=eight_bit_policy is EightBit.REFUSE,
        smtputf8=wide,
        returned=envelope.returned,
        envelope_id=envelope.envelope_id,
        dsn_parameters=tuple([dsn_parameters_of(stored, recipient) for recipient, _ in group]),
    )


def dsn_parameters_of(stored: Stored, recipient: Recipient) -> DsnParameters:
    """Return what the next hop is asked to tell the sender of one recipient.

    An ORCPT that is missing is the address that was named to us: RFC 3461 section 5.2.1 (e). It
    has no use where nobody is told.
    """
    dsn = recipient.dsn
    if dsn.original or not stored.envelope.sender:
        return dsn
    return DsnParameters(notify=dsn.notify, original=_orcpt(recipient.address))


@lru_cache(maxsize=1024)
def _orcpt(address: str) -> str:
    if address.isascii():
        return f"rfc822;{xtext.encoded(address)}"
    return f"utf-8;{xtext.embedded(address)}"
