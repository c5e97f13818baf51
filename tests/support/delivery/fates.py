"""Messages, recipients and fates that DSNs are made of.

Pure.
"""

from __future__ import annotations

from typing import Any

from common.envelope import Envelope
from common.ids import MessageId
from common.states import State
from satellite.delivery.decisions.outcome import Fate
from satellite.delivery.dsn.status_part import Reporter
from satellite.spool.model.messages import Origin, Recipient, Stored

REPORTER = Reporter(hostname="lon1.mx.scout.example", mail_domain="mx.scout.example")
ID = MessageId("01JDQ5W9Y0ABCDEFGHJKMNPQRS")
BODY = b"Subject: hi\r\nFrom: a@sender.example\r\n\r\nthe secret text\r\n"
RECEIVED_US = 1_767_225_600_000_000
NOW_US = 1_767_229_200_000_000


def recipient(address: str = "x@acme.example", **more: Any) -> Recipient:
    return Recipient(number=0, address=address, state=State.SENDING, **more)


def failed(who: Recipient | None = None, **more: Any) -> Fate:
    facts = {
        "status": "5.1.1",
        "diagnostic": "smtp; 550 5.1.1 No such user",
        "remote_host": "mail.acme.example",
    } | more
    return Fate(recipient=who or recipient(), **facts)


def stored(sender: str = "a@sender.example", body: bytes = BODY, **envelope: Any) -> Stored:
    return Stored(
        id=MessageId("01JDQ5W9Y0000000000000000A"),
        origin=Origin.SMTP,
        envelope=Envelope(
            client_address="192.0.2.7",
            helo="c",
            sender=sender,
            recipients=("x@acme.example",),
            **envelope,
        ),
        received_us=RECEIVED_US,
        age_us=0,
        size=len(body),
        sha256=b"",
        trace=b"",
        revision=1,
        subject="hi",
        scans=1,
        recipients=(),
        copies=(),
        in_file=False,
    )
