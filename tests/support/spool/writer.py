"""A process that fills a spool, and says what it was told is durable. To be killed at any line.

``python -m tests.support.spool.writer FOLDER`` prints ``accepted ID NUMBER`` or ``ended ID NUMBER``
after each commit that it waited for; the lines are numbered from 1.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from common.clock import SystemClock
from common.envelope import Envelope
from common.states import State
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.store import Spool

AT_ONCE = 8
_lines = itertools.count(1)
SIZES = (300, 70_000)  # one in the database, one in a file


async def _one(spool: Spool, number: int) -> None:
    entry = spool.begin()
    entry.write(f"Subject: {number}\r\n\r\n".encode() + b"x" * SIZES[number % len(SIZES)])
    envelope = Envelope(
        client_address="192.0.2.1", helo="h", sender="a@b.example", recipients=("x@c.example",)
    )
    await entry.commit(envelope=envelope, trace=b"")
    print("accepted", entry.id, next(_lines), flush=True)
    copy = Copy(head=b"X: 1\r\n")
    judged = Judged(number=0, disposition=Disposition.DELIVER, reason="clean", copy=copy)
    await spool.judge(
        entry.id,
        Judgement(
            revision=1,
            subject="",
            message_id_header="",
            recipients=(judged,),
            verdicts=(),
            score=0.0,
        ),
    )
    if number % 3 == 0:
        await spool.mark_sending(entry.id, [0])
        await spool.settle(entry.id, [Settled(number=0, state=State.DELIVERED, reason="ok")])
        print("ended", entry.id, next(_lines), flush=True)


async def _write(folder: Path) -> None:
    spool = await Spool.open(folder, node="lon1", shard=0, clock=SystemClock())
    numbers = iter(range(10_000))

    async def work() -> None:
        for number in numbers:
            await _one(spool, number)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await spool.close()


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1])))
