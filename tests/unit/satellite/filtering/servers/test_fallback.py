"""Which server is asked, and which one when that fails?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from satellite.filtering.servers.failures import HungUp, Nonsense, NoServer
from satellite.filtering.servers.fallback import AWAY_REFUSED_S, AWAY_SILENT_S, Fallback
from tests.support.clock import FakeClock


class Server:
    """One that is asked by name."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Servers:
    """Some servers, and what each does when it is asked."""

    def __init__(self, *addresses: str, attempt_s: float = 5.0) -> None:
        self.clock = FakeClock()
        self.asked: list[str] = []
        self.does: dict[str, Exception] = {}
        self.fallback = Fallback(
            [Server(address) for address in addresses], clock=self.clock, attempt_s=attempt_s
        )

    async def answer(self) -> str:
        return await self.fallback.ask(self._question)

    async def _question(self, server: Server) -> str:
        self.asked.append(server.address)
        if server.address in self.does:
            raise self.does[server.address]
        return server.address


async def test_the_first_is_preferred() -> None:
    servers = Servers("a", "b")

    assert [await servers.answer(), await servers.answer()] == ["a", "a"]


@pytest.mark.parametrize("failure", [NoServer("refuses"), HungUp("closes"), Nonsense("talks")])
async def test_the_next_is_asked_when_one_fails(failure: Exception) -> None:
    servers = Servers("a", "b")
    servers.does["a"] = failure

    assert await servers.answer() == "b"


async def test_no_more_than_two_are_asked_for_one_message() -> None:
    servers = Servers("a", "b", "c")
    servers.does = {"a": NoServer("no"), "b": HungUp("closes")}

    with pytest.raises(HungUp):
        await servers.answer()
    assert servers.asked == ["a", "b"]
    assert await servers.answer() == "c"  # the second one closes again


async def test_who_refuses_is_left_alone_for_a_second() -> None:
    servers = Servers("a", "b")
    servers.does["a"] = NoServer("refuses")
    await servers.answer()

    await servers.answer()
    await servers.clock.advance(AWAY_REFUSED_S)
    del servers.does["a"]

    assert await servers.answer() == "a"
    assert servers.asked == ["a", "b", "b", "a"]


async def test_who_takes_no_connection_costs_one_message_in_ten_seconds_its_time() -> None:
    servers = Servers("a")
    servers.does["a"] = NoServer("silent", was_silent=True)
    for _ in range(5):
        with pytest.raises(NoServer):
            await servers.answer()
    assert servers.asked == ["a"]

    await servers.clock.advance(AWAY_SILENT_S)
    with pytest.raises(NoServer):
        await servers.answer()
    assert servers.asked == ["a", "a"]


async def test_the_one_with_the_least_under_way_is_asked() -> None:
    servers = Fallback([Server("a"), Server("b")], clock=FakeClock(), attempt_s=5.0)
    may_end = asyncio.Event()

    async def slow(server: Server) -> str:
        await may_end.wait()
        return server.address

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(servers.ask(slow)) for _ in range(4)]
        await asyncio.sleep(0)
        may_end.set()
    assert sorted(task.result() for task in tasks) == ["a", "a", "b", "b"]


async def test_one_that_keeps_silent_loses_the_message_to_another_one() -> None:
    clock = FakeClock()
    servers = Fallback([Server("a"), Server("b")], clock=clock, attempt_s=0.01)
    asked: list[str] = []

    async def question(server: Server) -> str:
        asked.append(server.address)
        if server.address == "a":
            await asyncio.Event().wait()
        return server.address

    assert await servers.ask(question) == "b"
    assert await servers.ask(question) == "b"
    assert asked == ["a", "b", "b"]


async def test_the_only_one_has_the_whole_time() -> None:
    servers = Fallback([Server("a")], clock=FakeClock(), attempt_s=0.0)

    async def question(server: Server) -> str:
        await asyncio.sleep(0)
        return server.address

    assert await servers.ask(question) == "a"


async def test_the_callers_time_is_the_callers() -> None:
    servers = Fallback([Server("a"), Server("b")], clock=FakeClock(), attempt_s=9.0)
    silent: Callable[[Server], Awaitable[str]] = lambda _: asyncio.Event().wait()  # type: ignore[assignment,return-value]  # noqa: E731

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await servers.ask(silent)


async def test_all_are_closed() -> None:
    servers = Servers("a", "b")

    servers.fallback.close()

    assert all(server.is_closed for server in servers.fallback.servers)


async def test_after_its_rest_only_one_message_tries_it() -> None:
    clock = FakeClock()
    servers = Fallback([Server("a")], clock=clock, attempt_s=5.0)
    asked = 0
    may_end = asyncio.Event()

    async def question(_: Server) -> str:
        nonlocal asked
        asked += 1
        await may_end.wait()
        raise NoServer("silent", was_silent=True)

    may_end.set()
    await asyncio.gather(servers.ask(question), return_exceptions=True)
    may_end.clear()
    await clock.advance(AWAY_SILENT_S)
    tasks = [asyncio.create_task(servers.ask(question)) for _ in range(10)]
    await asyncio.sleep(0)
    may_end.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert asked == 2
    assert all(isinstance(end, NoServer) for end in ends)
