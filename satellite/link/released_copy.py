"""What does a released message look like to those who get it?

Pure. The core keeps one rendered copy of a quarantined message, that of its first recipient: his
points, the rule that decided for him, his subject tag. None of it is anybody else's business, so
the copy is made anew from the header section as it came. What stays is our Received field, which
says when the message came, and from where.

Source: docs/filters.md, *What a reader finds in the header*; docs/sync.md, *Releases*.
"""

from __future__ import annotations

import re

from common.ids import MessageId
from common.link import Claim
from satellite.headers import HeaderBlock, KeptHeader, render_released
from satellite.spool.model.messages import Copy

_TRACE = re.compile(rb"Received:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")


def released_copy(
    header: bytes,
    claim: Claim,
    *,
    id: MessageId,  # noqa: A002 - the name that stands in the line
    node: str,
    mail_domain: str,
    revision: int,
) -> Copy:
    """Return the copy for all recipients of a release.

    Args:
        header: the beginning of the message, as ``HeaderBlock.parse`` wants it.
        claim: what the core knows of the message.
        id: the new one.
        node: our name.
        mail_domain: our authserv-id, an A-label.
        revision: of the preferences that are in force.
    """
    trace = _TRACE.match(claim.head)
    return render_released(
        KeptHeader(HeaderBlock.parse(header), mail_domain=mail_domain),
        trace=trace[0] if trace is not None else b"",
        id=id,
        node=node,
        revision=revision,
        released_from=claim.message_id,
    )
