"""How long is a scan before the answer waited for, and when is it given up?

Touches the event loop. Three things may end the wait: the judgement, the budget, and the client's
leaving. Whatever else goes wrong counts as no judgement: the message is accepted, and judged later
as any other. Nothing was promised yet, so a message whose client has gone is dropped; its sender
brings it again. The end of what a client sends counts as its leaving: it must not close before it
has read our reply (RFC 5321 section 4.1.1.10), and a message that is accepted for nobody after a
scan of seconds is a message that comes twice.

Source: RFC 5321 section 4.5.3.2.6: a sender waits ten minutes for the reply to its final dot; the
budget is at most two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from common.clock import Clock
from common.errors import PeerError
from common.strangers import outcome_of

log = structlog.get_logger()

JudgedT = TypeVar("JudgedT")


class ClientGone(PeerError):
    """The connection broke, or the client closed it."""


async def judged_in_time(
    judging: Coroutine[Any, Any, JudgedT | None],
    *,
    budget_s: float,
    gone: asyncio.Future[None],
    clock: Clock,
) -> JudgedT | None:
    """Return what judging says within the budget; None: accept the message, and judge it later.

    Args:
        judging: the scan; it is cancelled when nobody waits for it any more.
        budget_s: seconds.
        gone: done as soon as the client has left.
        clock: the time.

    Raises:
        ClientGone: the client left first.
    """
    scan = asyncio.ensure_future(outcome_of(judging))
    budget = asyncio.ensure_future(clock.sleep(budget_s))
    try:
        ends: list[asyncio.Future[Any]] = [scan, budget, gone]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise ClientGone("the client left while its message was scanned")
        found = scan.result() if scan.done() else None
    finally:
        budget.cancel()
        scan.cancel()
        await asyncio.wait([scan])  # nothing of it may touch the body any more
    if isinstance(found, Exception):
        log.error("smtp.scan_failed", exc_info=found)
        return None
    return found
