"""Is a name looked up once for all who ask at the same time?"""

from __future__ import annotations

import asyncio

import pytest

from satellite.filtering.lookups import SharedLookups
from satellite.filtering.resolver import DnsAnswer, NoDnsAnswer
from tests.support.clock import FakeClock


class Gate:
    """A resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.opened = asyncio.Event()
        self.fails = False

    async def addresses(self, name: str, *, timeout_s: float) -> DnsAnswer:
        self.asked += 1
        await self.opened.wait()
        if self.fails:
            raise NoDnsAnswer(f"no answer for {name}", hint="")
        return DnsAnswer(("127.0.0.2",), 300.0)


def lookups(gate: Gate, *, lookup_s: float = 5.0) -> SharedLookups:
    return SharedLookups(gate, FakeClock(), lookup_s=lookup_s)


async def test_one_asks_and_all_hear() -> None:
    gate = Gate()
    shared = lookups(gate)
    asking = [asyncio.ensure_future(shared.addresses("a.example", timeout_s=5)) for _ in range(9)]
    await asyncio.sleep(0)
    gate.opened.set()

    answers = await asyncio.gather(*asking)

    assert {answer.addresses for answer in answers} == {("127.0.0.2",)}
    assert gate.asked == 1
    await shared.addresses("a.example", timeout_s=5)
    assert gate.asked == 1  # it is remembered


async def test_who_waits_no_longer_ends_nothing_for_the_others() -> None:
    gate = Gate()
    shared = lookups(gate)
    first = asyncio.ensure_future(shared.addresses("a.example", timeout_s=5))
    second = asyncio.ensure_future(shared.addresses("a.example", timeout_s=5))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(NoDnsAnswer, match="in time"):
        await shared.addresses("a.example", timeout_s=0.0)
    gate.opened.set()

    assert (await second).addresses == ("127.0.0.2",)
    assert gate.asked == 1


async def test_a_failure_is_told_to_all_and_not_remembered() -> None:
    gate = Gate()
    gate.fails = True
    gate.opened.set()
    shared = lookups(gate)

    for _ in range(2):
        with pytest.raises(NoDnsAnswer):
            await shared.addresses("a.example", timeout_s=5)

    assert gate.asked == 2


async def test_a_lookup_that_nobody_waits_for_ends_by_itself() -> None:
    gate = Gate()
    shared = lookups(gate, lookup_s=0.0)

    with pytest.raises(NoDnsAnswer):
        await shared.addresses("a.example", timeout_s=5)
    await shared.close()


async def test_closing_ends_what_is_under_way() -> None:
    gate = Gate()
    shared = lookups(gate)
    asking = asyncio.ensure_future(shared.addresses("a.example", timeout_s=5))
    await asyncio.sleep(0)

    await shared.close()

    with pytest.raises(NoDnsAnswer):
        await asking
