"""How is the mail of the demonstration sent?

Touches SMTP, with aiosmtplib: a client that knows nothing of us.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiosmtplib

from cli.demonstration import mail
from cli.demonstration.cluster import DemoCluster
from cli.demonstration.mail import DemoMessage

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """One message that was sent, and what was answered."""

    planned: DemoMessage
    node: str
    message_id: str
    content: bytes
    reply: str


async def send(cluster: DemoCluster, node: str, planned: DemoMessage, *, number: int) -> SentMail:
    """Send one message to one satellite; a refusal is an answer like another."""
    content = mail.message(planned, number=number)
    host, port = cluster.smtp(node)
    try:
        _, reply = await aiosmtplib.send(
            content,
            sender=mail.sender_of(planned),
            recipients=[planned.recipient],
            hostname=host,
            port=port,
            timeout=TIMEOUT_S,
            start_tls=False,
        )
        answer = f"250 {reply}"
    except aiosmtplib.SMTPRecipientsRefused as refused:
        answer = f"{refused.recipients[0].code} {refused.recipients[0].message}"
    except (aiosmtplib.SMTPException, OSError) as failure:
        answer = f"none: {failure}"
    return SentMail(
        planned=planned,
        node=node,
        message_id=mail.message_id(planned, number=number),
        content=content,
        reply=answer,
    )
