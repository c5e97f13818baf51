"""Does nobody keep a place at the core's HTTP port by saying nothing, and is nobody else cut?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import uvicorn

from core import connections
from core.connections import SILENT_S, UNREAD_S, BoundedConnection

REQUEST = b"GET / HTTP/1.1\r\nHost: core\r\n\r\n"
HALF = b"POST / HTTP/1.1\r\nHost: core\r\nContent-Length: 100\r\n\r\nhalf"


@dataclass
class Timer:
    due_s: float
    call: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Timers:
    """The time of a loop that passes when a test says so."""

    now_s: float = 100.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now_s + delay_s, call))
        return self.timers[-1]

    def create_task(self, work: Any, **_more: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        for timer in [one for one in self.timers if one.due_s <= self.now_s]:
            self.timers.remove(timer)
            if not timer.is_cancelled:
                timer.call()


class Socket:
    """A transport that notes whether it was aborted."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.is_aborted = False
        self.sent = b""

    def get_extra_info(self, name: str) -> object:
        return {"peername": (self.host, 4711), "sockname": ("10.0.0.1", 80)}.get(name)

    def abort(self) -> None:
        self.is_aborted = True

    close = abort

    def is_closing(self) -> bool:
        return self.is_aborted

    def write(self, data: bytes) -> None:
        self.sent += data

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Port:
    """Where clients of a test connect."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.answering = asyncio.Event()
        self._config = uvicorn.Config(
            self._app, interface="asgi3", lifespan="off", log_config=None, access_log=False
        )
        self._config.load()
        self._state = uvicorn.server.ServerState()

    async def _app(self, _scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await self.answering.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def close(self) -> None:
        for client in list(self._state.connections):
            client.connection_lost(None)
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def connect(self, host: str = "192.0.2.7") -> tuple[BoundedConnection, Socket]:
        loop = cast(asyncio.AbstractEventLoop, self.timers)
        made = BoundedConnection(self._config, self._state, {}, loop)
        socket = Socket(host)
        made.connection_made(cast(asyncio.Transport, socket))
        return made, socket


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    made = Port()
    yield made
    await made.close()


@pytest.mark.parametrize("said", [[], [b"GET / HT", b"TP/1.1\r\n", b"X: y\r\n"], [HALF]])
async def test_a_client_that_does_not_get_on_is_cut(port: Port, said: list[bytes]) -> None:
    client, socket = port.connect()
    for octets in said:
        client.data_received(octets)
        port.timers.pass_s(1)  # a header that comes drop by drop gains nothing
    await asyncio.sleep(0)

    port.timers.pass_s(SILENT_S)

    assert socket.is_aborted


async def test_a_body_that_comes_on_and_an_answer_that_takes_its_time_are_waited_for(
    port: Port,
) -> None:
    client, socket = port.connect()
    client.data_received(HALF)
    for _ in range(10):
        port.timers.pass_s(SILENT_S / 2)
        client.data_received(b"more")
    client.data_received(b"x" * 56)
    for _ in range(10):
        port.timers.pass_s(SILENT_S)

    assert not socket.is_aborted
    port.answering.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert socket.sent.startswith(b"HTTP/1.1 204")
    client.data_received(b"G")  # uvicorn's own patience for the next request ends here
    port.timers.pass_s(SILENT_S + 1)
    port.timers.pass_s(SILENT_S + 1)
    assert socket.is_aborted


async def test_an_answer_that_nobody_reads_is_cut(port: Port) -> None:
    client, socket = port.connect()
    client.data_received(REQUEST)
    client.pause_writing()
    port.timers.pass_s(UNREAD_S - 1)
    client.resume_writing()
    client.pause_writing()
    port.timers.pass_s(2)
    assert not socket.is_aborted

    port.timers.pass_s(UNREAD_S)

    assert socket.is_aborted


async def test_when_all_places_are_taken_the_longest_silent_one_gives_way(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 3)
    busy, _ = port.connect("192.0.2.1")
    busy.data_received(REQUEST)
    sockets = []
    for host in ("192.0.2.2", "192.0.2.3", "192.0.2.4"):
        port.timers.pass_s(1)
        sockets.append(port.connect(host)[1])

    assert [one.is_aborted for one in sockets] == [True, False, False]


async def test_one_address_takes_places_from_nobody_else(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PER_ADDRESS_MAX", 2)
    _, honest = port.connect("192.0.2.1")
    port.timers.pass_s(1)
    sockets = [port.connect("203.0.113.9")[1] for _ in range(5)]

    assert not honest.is_aborted
    assert sum(one.is_aborted for one in sockets) == 3


async def test_the_server_itself_makes_such_connections() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(
        app, interface="asgi3", http=BoundedConnection, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(REQUEST)
        async with asyncio.timeout(20):
            assert (await reader.readline()).startswith(b"HTTP/1.1 204")
        writer.close()
        server.should_exit = True
        await serving
