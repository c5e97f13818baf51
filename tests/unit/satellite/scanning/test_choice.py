"""Which of several servers is asked, and what one that is away costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from satellite.scanning.engine import EngineHealth
from satellite.scanning.sessions.connection import ServerUnreachable, SessionEnded
from satellite.scanning.sessions.server_choice import AWAY_S, ServerChoice, ServerTurn, joint_health
from tests.support.clock import FakeClock


class FakeServer:
    """Does what ``behaves`` says to each question; counts them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked = 0
        self.health = EngineHealth(answering=True)
        self.behaves: Callable[[], str] = lambda: f"by {address}"
        self.release: asyncio.Event | None = None

    async def answer(self, turn: ServerTurn[FakeServer]) -> str:
        self.asked += 1
        said = self.behaves()
        turn.shown.set()
        if self.release is not None:
            await self.release.wait()
        return said

    async def probe(self) -> EngineHealth:
        return self.health

    def close(self) -> None:
        pass


class Room:
    """Two or more servers, and what is asked of them."""

    def __init__(self, count: int = 2) -> None:
        self.clock = FakeClock()
        self.servers = [FakeServer("abcdefgh"[number]) for number in range(count)]
        self.choice = ServerChoice(self.servers, clock=self.clock)

    async def ask(self, turn: ServerTurn[FakeServer] | None = None) -> str:
        turn = turn or ServerTurn()
        return await self.choice.ask(
            lambda server: server.answer(turn),
            has_failed=lambda answer: answer == "failed",
            turn=turn,
        )

    @property
    def asked(self) -> list[int]:
        return [server.asked for server in self.servers]


def unreachable() -> str:
    raise ServerUnreachable("no connection")


def ends() -> str:
    raise SessionEnded("it closed")


def fails() -> str:
    return "failed"


async def test_the_first_is_asked_while_it_has_nothing_to_do() -> None:
    room = Room()

    assert [await room.ask() for _ in range(3)] == ["by a"] * 3


async def test_the_one_with_the_least_under_way_is_asked() -> None:
    room = Room(3)
    release = asyncio.Event()
    for server in room.servers:
        server.release = release
    tasks = [asyncio.create_task(room.ask()) for _ in range(6)]
    await room.clock.advance(0)

    assert room.asked == [2, 2, 2]
    release.set()
    await asyncio.gather(*tasks)


async def test_one_that_cannot_be_reached_is_left_alone_for_a_while() -> None:
    room = Room()
    room.servers[0].behaves = unreachable

    assert [await room.ask() for _ in range(5)] == ["by b"] * 5
    assert room.asked == [1, 5]
    await room.clock.advance(AWAY_S)
    assert [await room.ask() for _ in range(3)] == ["by b"] * 3
    assert room.asked == [2, 8]


async def test_one_message_at_a_time_tries_one_that_was_away() -> None:
    room = Room()
    room.servers[0].behaves = unreachable
    await room.ask()
    await room.clock.advance(AWAY_S)
    room.servers[0].release = asyncio.Event()
    room.servers[0].behaves = lambda: "by a"

    trying = asyncio.create_task(room.ask())
    await room.clock.advance(0)
    assert await room.ask() == "by b"
    room.servers[0].release.set()
    assert await trying == "by a"
    assert await room.ask() == "by a"


async def test_a_message_that_was_shown_goes_to_no_other() -> None:
    room = Room()
    room.servers[0].behaves = ends

    with pytest.raises(SessionEnded):
        await room.ask()
    assert room.asked == [1, 0]


async def test_a_message_whose_session_died_and_whose_server_is_gone_goes_to_no_other() -> None:
    room = Room()
    turn: ServerTurn[FakeServer] = ServerTurn()

    def dies() -> str:
        turn.shown.set()
        raise ServerUnreachable("no connection")

    room.servers[0].behaves = dies

    with pytest.raises(ServerUnreachable):
        await room.ask(turn)
    assert room.asked == [1, 0]
    assert await room.ask() == "by b"


async def test_one_that_says_that_it_failed_is_followed_by_the_next() -> None:
    room = Room()
    room.servers[0].behaves = fails

    assert await room.ask() == "by b"
    assert await room.ask() == "by b"
    assert room.asked == [1, 2]


async def test_a_message_with_which_all_fail_makes_none_be_away() -> None:
    room = Room()
    for server in room.servers:
        server.behaves = fails

    assert await room.ask() == "failed"
    assert room.asked == [1, 1]
    room.servers[0].behaves = lambda: "by a"
    assert await room.ask() == "by a"


async def test_a_failure_that_was_told_stands_when_the_next_cannot_be_reached() -> None:
    room = Room()
    room.servers[0].behaves = fails
    room.servers[1].behaves = unreachable

    assert await room.ask() == "failed"


async def test_all_are_asked_while_all_are_away() -> None:
    room = Room()
    for server in room.servers:
        server.behaves = unreachable
    for _ in range(2):
        with pytest.raises(ServerUnreachable):
            await room.ask()
    assert room.asked == [2, 2]

    room.servers[1].behaves = lambda: "by b"
    assert await room.ask() == "by b"
    assert await room.ask() == "by b"


async def silent(room: Room) -> ServerTurn[FakeServer]:
    """Let the first server keep silent until a message's time is over."""
    turn: ServerTurn[FakeServer] = ServerTurn()
    room.servers[0].release = asyncio.Event()
    task = asyncio.create_task(room.ask(turn))
    await room.clock.advance(1)
    task.cancel()
    await asyncio.wait([task])
    room.choice.was_late(turn)
    return turn


async def test_one_that_keeps_silent_is_away_until_its_probe_is_answered() -> None:
    room = Room()
    await silent(room)

    await room.clock.advance(100 * AWAY_S)
    assert await room.ask() == "by b"
    assert room.asked == [1, 1]
    room.servers[0].release = None
    assert (await room.choice.probe()).answering
    assert await room.ask() == "by a"


async def test_who_is_away_is_counted() -> None:
    room = Room()
    counted = [room.choice.away]
    room.servers[0].behaves = unreachable
    await room.ask()
    counted.append(room.choice.away)
    await room.choice.probe()
    counted.append(room.choice.away)

    assert counted == [0, 1, 0]


async def test_one_that_answered_somebody_else_meanwhile_is_not_away() -> None:
    room = Room(1)
    room.servers.append(FakeServer("b"))
    room.choice = ServerChoice(room.servers, clock=room.clock)
    turn: ServerTurn[FakeServer] = ServerTurn()
    room.servers[0].release = asyncio.Event()
    late = asyncio.create_task(room.ask(turn))
    await room.clock.advance(1)
    room.servers[0].release, room.servers[1].behaves = None, unreachable
    assert await room.ask() == "by a"
    late.cancel()
    await asyncio.wait([late])

    room.choice.was_late(turn)

    assert room.choice.away == 1  # the other one, which cannot be reached
    assert await room.ask() == "by a"


def test_the_health_of_several_is_that_of_one_engine() -> None:
    old = EngineHealth(answering=True, version="1.4.6", definitions="7", definitions_us=7)
    new = EngineHealth(answering=True, version="1.4.6", definitions="8", definitions_us=8)
    dead = EngineHealth(answering=False, detail="no connection")

    both = joint_health(["a", "b", "c"], [new, old, dead])

    assert both.answering
    assert (both.definitions, both.definitions_us) == ("7", 7)
    assert both.detail == ("2 of 3 answer; their definitions differ; c: no connection; a: 8; b: 7")
    assert joint_health(["a"], [dead]) == dead
    assert not joint_health(["a", "b"], [dead, dead]).answering


def test_a_server_that_does_not_tell_the_age_of_its_definitions_hides_no_old_ones() -> None:
    old = EngineHealth(answering=True, version="1.4.5", definitions="7", definitions_us=7)
    unknown = EngineHealth(answering=True, version="1.4.5")

    both = joint_health(["a", "b"], [unknown, old])

    assert (both.definitions, both.definitions_us) == ("7", 7)
    assert joint_health(["a", "b"], [unknown, unknown]).definitions_us == 0


async def test_octets_that_a_server_ended_of_go_to_another_one_when_they_come_again() -> None:
    """Else a weak server would have a message set aside that its neighbour reads."""
    room = Room()

    def turn_of(content: bytes) -> ServerTurn[FakeServer]:
        turn: ServerTurn[FakeServer] = ServerTurn(content=content)
        turn.shown.set()
        return turn

    for weak in (ends, unreachable):
        room.servers[0].behaves = weak
        with pytest.raises((SessionEnded, ServerUnreachable)):
            await room.ask(turn_of(weak.__name__.encode()))
        room.servers[0].behaves = lambda: "by a"
        await room.choice.probe()

    assert await room.ask(turn_of(b"others")) == "by a"
    assert await room.ask(turn_of(b"ends")) == "by b"
    assert await room.ask(turn_of(b"unreachable")) == "by b"
    assert await room.ask(turn_of(b"ends")) == "by a", "it was answered: nothing is wrong with it"


async def test_octets_that_all_servers_ended_of_are_shown_to_any() -> None:
    room = Room()
    for server in room.servers:
        server.behaves = ends
    for _ in range(4):
        turn: ServerTurn[FakeServer] = ServerTurn(content=b"deadly")
        turn.shown.set()
        with pytest.raises(SessionEnded):
            await room.ask(turn)

    assert room.asked == [3, 1]
