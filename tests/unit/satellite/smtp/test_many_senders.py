"""Senders who send as fast as we take leave the event loop to all others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from satellite.loop_round import ROUND_S, LoopRound
from tests.support.clock import FakeClock
from tests.support.smtp.front_end import DEADLINE_S, FakeIntake, Talk, front_end

SENDERS = 40
BLOCK = b"x" * 78 + b"\r\n"
BLOCK_S = 0.001  # that a block takes us


class BlocksClock(FakeClock):
    """Each block that is written takes its time, and nothing else does."""

    def __init__(self, intake: FakeIntake) -> None:
        super().__init__()
        self._intake = intake

    def monotonic_s(self) -> float:
        return written(self._intake) * BLOCK_S


def written(intake: FakeIntake) -> int:
    """Return how many blocks were written, which are one for each message."""
    return sum(bool(entry._body) for entry in intake.entries)


async def in_data(talk: Talk) -> Talk:
    await talk.greet()
    await talk.open_data()
    return talk


async def test_a_block_of_each_of_many_senders_is_not_one_step_of_the_loop() -> None:
    async with front_end() as front, AsyncExitStack() as stack:
        talks = [
            await in_data(await stack.enter_async_context(front.client())) for _ in range(SENDERS)
        ]
        assert front.front._sessions is not None
        front.front._sessions.loop_round = LoopRound(BlocksClock(front.intake))
        for talk in talks:
            talk._writer.write(BLOCK)

        most, before = 0, 0
        async with asyncio.timeout(DEADLINE_S):
            while before < SENDERS:
                await asyncio.sleep(0)
                most = max(most, written(front.intake) - before)
                before = written(front.intake)

        assert most <= ROUND_S / BLOCK_S + 1
        for talk in talks:
            assert (await talk.ask(b".")).startswith("250")
        assert [len(taken.body) for taken in front.intake.taken] == [len(BLOCK)] * SENDERS
