"""A stream believes the process that it has reached once the follower did, and no longer."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from common import wire
from common.link import CoreStanding
from common.preferences import Epoch, Position
from satellite.link.accepted_core import JUDGED_S, AcceptedCore, CoreRefused
from satellite.link.core_verdict import UNNAMED, CoreVerdict
from satellite.link.streams import converse
from tests.support.clock import FakeClock

A, B = "a" * 32, "b" * 32


class ReachedCall:
    """A stream to one process of a core; a test says what comes on it, and how it ends."""

    def __init__(self, life: str | None) -> None:
        self._life = life
        self.status: asyncio.Future[grpc.StatusCode] = asyncio.get_running_loop().create_future()
        self.inbox: asyncio.Queue[str] = asyncio.Queue()

    async def initial_metadata(self) -> tuple[tuple[str, bytes], ...]:
        if self._life is None:
            return ()
        position = Position(Epoch(1, "11111111-1111-4111-8111-111111111111"), 5)
        standing = CoreStanding(position=position, digest=bytes(32), life=self._life)
        return (wire.standing_to_metadata(standing),)

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def code(self) -> grpc.StatusCode:
        return await asyncio.shield(self.status)

    async def details(self) -> str:
        return "no"

    def __aiter__(self) -> ReachedCall:
        return self

    async def __anext__(self) -> str:
        return await self.inbox.get()

    def cancel(self) -> None:
        self.status.cancel()


def reached(life: str | None = A) -> Any:
    return ReachedCall(life)


async def heard(core: AcceptedCore, call: Any) -> None:
    """Go through what a stream does, until nothing is left to do for it but to wait."""
    async with asyncio.timeout(10):
        await core.hear(call)


async def test_a_stream_waits_for_the_verdict_on_the_very_process_that_it_reached() -> None:
    core = AcceptedCore(FakeClock())
    core.judged(CoreVerdict(B))
    waiting = asyncio.create_task(core.hear(reached(A)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done(), "that the core of another process is accepted says nothing"

    core.judged(CoreVerdict(A))

    async with asyncio.timeout(10):
        (await waiting).check()


async def test_nothing_is_handed_to_a_core_that_is_refused() -> None:
    core = AcceptedCore(FakeClock())
    core.judged(CoreVerdict(A, "it lost changes"))

    with pytest.raises(CoreRefused, match="it lost changes"):
        await heard(core, reached(A))
    with pytest.raises(CoreRefused, match="it lost changes"):
        core.check()


async def test_nothing_is_handed_to_a_core_that_nobody_judges() -> None:
    clock = FakeClock()
    core = AcceptedCore(clock)
    waiting = asyncio.create_task(core.hear(reached(A)))

    await clock.advance(JUDGED_S + 1.0)

    with pytest.raises(CoreRefused, match="has judged"):
        await waiting


async def test_a_call_that_is_refused_meanwhile_says_how_it_ended() -> None:
    call = reached(None)
    call.status.set_result(grpc.StatusCode.PERMISSION_DENIED)

    with pytest.raises(grpc.aio.AioRpcError) as found:
        await heard(AcceptedCore(FakeClock()), call)

    assert found.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_core_that_names_no_process_counts_while_the_preference_stream_does() -> None:
    core = AcceptedCore(FakeClock())
    core.judged(CoreVerdict(UNNAMED))
    hearing = await core.hear(reached(None))
    hearing.check()

    core.judged(None)

    with pytest.raises(CoreRefused):
        hearing.check()


@pytest.mark.parametrize(
    "verdict", [CoreVerdict(B), CoreVerdict(B, "a rival"), CoreVerdict(A, "x")]
)
async def test_no_acknowledgement_is_believed_once_its_core_is_not_the_accepted_one(
    verdict: CoreVerdict,
) -> None:
    core, call = AcceptedCore(FakeClock()), reached(A)
    core.judged(CoreVerdict(A))
    hearing = await core.hear(call)
    believed: list[str] = []

    async def perform(event: str) -> None:
        believed.append(event)
        if event == "the first":
            core.judged(verdict)  # while further ones have come already

    for event in ("the first", "the second"):
        call.inbox.put_nowait(event)
    with pytest.raises(CoreRefused):
        async with asyncio.timeout(10):
            await converse(call, hear=str, perform=perform, hearing=hearing)

    assert believed == ["the first"]


async def test_a_quiet_stream_ends_at_once_when_its_core_is_refused() -> None:
    core, call = AcceptedCore(FakeClock()), reached(A)
    core.judged(CoreVerdict(A))
    hearing = await core.hear(call)

    async def perform(event: str) -> None:
        raise AssertionError(event)

    task = asyncio.create_task(converse(call, hear=str, perform=perform, hearing=hearing))
    for _ in range(5):
        await asyncio.sleep(0)
    core.judged(CoreVerdict(A, "it lost changes"))

    with pytest.raises(CoreRefused, match="it lost changes"):
        async with asyncio.timeout(10):
            await task
