"""Who sends the mail?

Touches SMTP, with aiosmtplib: a client that knows nothing of us.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiosmtplib

from cli.demonstration import scene
from cli.demonstration.cast import Cast
from cli.demonstration.scene import Act

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """One message that was sent, and what was answered."""

    act: Act
    node: str
    message_id: str
    content: bytes
    reply: str


async def send(cast: Cast, node: str, act: Act, *, number: int) -> SentMail:
    """Send one message to one satellite; a refusal is an answer like another."""
    content = scene.message(act, number=number)
    host, port = cast.smtp(node)
    try:
        _, reply = await aiosmtplib.send(
            content,
            sender=scene.sender_of(act),
            recipients=[act.recipient],
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
        act=act,
        node=node,
        message_id=scene.message_id(act, number=number),
        content=content,
        reply=answer,
    )
