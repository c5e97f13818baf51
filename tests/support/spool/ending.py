"""How does a test end a message in the spool?

Touches the spool that it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from common.ids import MessageId
from common.states import State
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.store import Spool

_DELIVERED = Settled(number=0, state=State.DELIVERED, reason="250")


def judgement(disposition: Disposition = Disposition.DELIVER) -> Judgement:
    """Return the judgement of a message with one recipient; what is delivered is marked at once."""
    one = Judged(
        number=0,
        disposition=disposition,
        reason="clean",
        copy=Copy(head=b"X: 1\r\n"),
        sending=disposition is Disposition.DELIVER,
    )
    return Judgement(
        revision=1, subject="", message_id_header="", recipients=(one,), verdicts=(), score=0.0
    )


async def end_all(spool: Spool, messages: Iterable[MessageId]) -> None:
    """Deliver messages that were accepted, and let the core have their records."""
    await asyncio.gather(*(_end(spool, message) for message in messages))
    await spool.acknowledge_records(spool.last_sequence())


async def _end(spool: Spool, message: MessageId) -> None:
    await spool.judge(message, judgement())
    await spool.settle(message, [_DELIVERED])
