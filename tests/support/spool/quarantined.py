"""How does a message get into quarantine without a scanner?"""

from __future__ import annotations

from common.envelope import Envelope
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement
from satellite.spool.store import Spool


async def quarantine(
    spool: Spool,
    body: bytes,
    *,
    kept_for: str = "virus",
    head: bytes = b"X-BorderScout: id=1\r\n",
) -> str:
    """Take a message in, judge that it is kept, and return its identifier."""
    entry = spool.begin()
    entry.write(body)
    envelope = Envelope(
        client_address="192.0.2.7",
        helo="mail.sender.example",
        sender="a@sender.example",
        recipients=("x@acme.example",),
    )
    await entry.commit(envelope=envelope, trace=b"Received: here\r\n")
    one = Judged(
        number=0,
        disposition=Disposition.QUARANTINE,
        reason="virus",
        copy=Copy(head=head, skip=0),
    )
    judgement = Judgement(
        revision=1,
        subject="hello",
        message_id_header="<1@sender.example>",
        recipients=(one,),
        verdicts=(),
        score=0.0,
        quarantine_reason=kept_for,
        quarantine_detail="Eicar-Test",
    )
    await spool.judge(entry.id, judgement)
    return entry.id
