"""What exactly is sent of a message?

Touches a body through the spool. Our header lines and then the body as it came, in blocks; never
parsed, never re-written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from common.envelope import Envelope
from satellite.delivery.client import Offer
from satellite.spool.bodies import Body
from satellite.spool.messages import Copy

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

    def blocks(self) -> Iterator[bytes]:
        """Return the octets in order.

        Raises:
            BodyDamaged: the body cannot be read as it was written.
        """
        yield self.first
        for offset in range(self._offset + BLOCK_BYTES, self._body.size, BLOCK_BYTES):
            yield self._body.read(offset, BLOCK_BYTES)

    @property
    def may_be_eight_bit(self) -> bool:
        """Whether octets beyond ASCII are possible; later blocks are not read for it."""
        return self.size > len(self.first) or not self.first.isascii()

    @property
    def header_is_ascii(self) -> bool:
        """Whether the header section has nothing beyond ASCII."""
        return self.first.partition(b"\r\n\r\n")[0].isascii()


def offer_of(envelope: Envelope, recipients: Sequence[str], content: CopyContent) -> Offer:
    """Return the transaction that takes a copy to some recipients.

    SMTPUTF8 is asked for when an address needs it, or when the sender asked for it and the header
    uses it (RFC 6531 section 3.4); a header with stray octets goes as it came.
    """
    addresses_are_ascii = all(address.isascii() for address in (envelope.sender, *recipients))
    wide = not addresses_are_ascii or (envelope.smtputf8 and not content.header_is_ascii)
    return Offer(
        sender=envelope.sender,
        recipients=tuple(recipients),
        content=content,
        eight_bit=envelope.eight_bit or content.may_be_eight_bit,
        smtputf8=wide,
    )
