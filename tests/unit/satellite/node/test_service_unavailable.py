"""Senders that no worker can talk to are sent to the next MX, and only then."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from satellite.node.channel import JsonObject
from satellite.node.service_unavailable import (
    LOOK_EVERY_S,
    TURNED_AWAY_MAX,
    WITHOUT_WORKER_S_MAX,
    ServiceUnavailable,
)
from tests.support.clock import FakeClock
from tests.support.node.shard import DEADLINE_S, AnsweringWorker, until, workers_of

LISTENING: dict[str, JsonObject | None] = {"listening": {"listening": True}}
NOT_LISTENING: dict[str, JsonObject | None] = {"listening": {"listening": False}}
TIMEOUT_LOOKS = round(WITHOUT_WORKER_S_MAX / LOOK_EVERY_S)


class Place:
    """The answer to senders, the workers beside it, and the time."""

    def __init__(self, listening: socket.socket, *workers: AnsweringWorker) -> None:
        self.listening = listening
        self.workers = workers
        self.clock = FakeClock()
        self.service_unavailable = ServiceUnavailable(
            workers_of(*workers), sockets=[listening], clock=self.clock
        )

    async def looks(self, count: int) -> None:
        """Return when it has looked so many times."""
        for _ in range(count):
            await until(lambda: self.clock.sleepers == 1, "it waits")
            await self.clock.advance(LOOK_EVERY_S)
        await until(lambda: self.clock.sleepers == 1, "it has looked")

    def connect(self) -> socket.socket:
        made = socket.create_connection(self.listening.getsockname())
        made.setblocking(False)
        return made


@asynccontextmanager
async def place(*workers: AnsweringWorker) -> AsyncIterator[Place]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        listening.setblocking(False)
        made = Place(listening, *workers)
        running = asyncio.create_task(made.service_unavailable.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def heard(client: socket.socket) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.get_running_loop().sock_recv(client, 1000)


def is_waiting(client: socket.socket) -> bool:
    """Say whether nobody has spoken to a client yet."""
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    return False


async def test_who_asks_whether_senders_are_turned_away_ends_it_when_somebody_listens() -> None:
    worker = AnsweringWorker(0, NOT_LISTENING)
    async with place(worker) as here:
        await here.looks(TIMEOUT_LOOKS)
        assert await here.service_unavailable.look()

        worker.answers.update(LISTENING)

        assert not await here.service_unavailable.look()
        with here.connect() as client:
            await here.clock.settle()
            assert is_waiting(client)


async def test_who_leaves_turns_nobody_away_for_a_next_parent_serves_them() -> None:
    async with place(AnsweringWorker(0, NOT_LISTENING)) as here:
        here.service_unavailable.leave()
        with here.connect() as client:
            await here.looks(TIMEOUT_LOOKS + 1)

            assert not await here.service_unavailable.look()
            assert is_waiting(client)


@pytest.mark.parametrize("answers", [NOT_LISTENING, {}], ids=["not listening", "not running"])
async def test_senders_are_turned_away_when_nobody_listens_for_long(
    answers: dict[str, JsonObject | None],
) -> None:
    async with place(AnsweringWorker(0, answers), AnsweringWorker(1, {})) as here:
        with here.connect() as client:
            await here.looks(TIMEOUT_LOOKS - 1)
            assert is_waiting(client), "a worker that starts would serve it"

            await here.looks(1)

            assert await heard(client) == b"421 4.3.2 Not taking mail now; try again later\r\n"
            assert await heard(client) == b""


async def test_a_worker_that_listens_is_enough_and_ends_the_turning_away() -> None:
    one = AnsweringWorker(0, {})
    async with place(one, AnsweringWorker(1, NOT_LISTENING)) as here:
        await here.looks(TIMEOUT_LOOKS)
        with here.connect() as client:
            assert (await heard(client)).startswith(b"421 ")

        one.answers.update(LISTENING)
        await here.looks(1)

        with here.connect() as client:
            await here.looks(TIMEOUT_LOOKS * 2)
            assert is_waiting(client), "it is the worker's"
            one.answers.clear()
            await here.looks(TIMEOUT_LOOKS - 1)
            assert is_waiting(client), "and patience begins anew"
    assert here.service_unavailable.turned_away == 1


async def test_a_crowd_is_turned_away_whoever_of_it_has_gone() -> None:
    async with place(AnsweringWorker(0, {})) as here:
        crowd = [here.connect() for _ in range(TURNED_AWAY_MAX + 20)]
        for gone in crowd[::7]:
            gone.close()

        await here.looks(TIMEOUT_LOOKS)

        for client in crowd:
            if client.fileno() != -1:
                assert (await heard(client)).startswith(b"421 ")
                client.close()
