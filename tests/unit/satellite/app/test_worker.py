"""A worker's real process: it listens when it may, retires when it is empty, ends when it must."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from common.clock import SystemClock
from common.ids import MessageId
from common.rpc import TlsFiles
from common.settings.satellite import SatelliteSettings
from satellite.console.questions import ResumeQuestion, ShowAnswer, ShowQuestion
from satellite.node.health import StatusAnswer, StatusQuestion
from satellite.node.parent import RETIRED, Worker, shard_folder
from satellite.spool.commits import REFUSED_MAX
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement
from satellite.spool.store import Spool
from tests.support.core.rooms import route
from tests.support.network.link import Certificates, Core, satellite_settings
from tests.support.network.ports import free_port
from tests.support.node.family import is_alive
from tests.support.node.shard import DEADLINE_S, until
from tests.support.node.spawning import spawning
from tests.support.spool.open_spool import accept

pytestmark = pytest.mark.integration

STATUS = StatusQuestion()


class WatchedWorker(Worker):
    """A worker that writes down its exit statuses; the pause before a start is none."""

    statuses: list[int | None]

    async def _run_once(self) -> int | None:
        status = await super()._run_once()
        self.statuses.append(status)
        return status

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def hang_up(self) -> None:
        """Close the channel, as the parent does when an answer took too long."""
        self._close_channel()


class Node:
    """A node's state folder, settings and certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = Certificates(folder / "authority")
        self.core_port = free_port()
        self.state = folder / "state"

    def settings(self) -> SatelliteSettings:
        tls = self.certificates.issue("satellite", "lon1")
        settings = satellite_settings(tls, port=self.core_port)
        return settings.model_copy(update={"state": str(self.state)})

    @asynccontextmanager
    async def core(self) -> AsyncIterator[Core]:
        tls: TlsFiles = self.certificates.issue("core", "core")
        core = await Core.start(self.folder / "core", tls, port=self.core_port)
        try:
            yield core
        finally:
            await core.stop()

    @asynccontextmanager
    async def spool(self, shard: int = 0) -> AsyncIterator[Spool]:
        """Open a shard's spool while no worker has it."""
        folder = shard_folder(self.state, shard)
        folder.mkdir(parents=True, exist_ok=True)
        spool = await Spool.open(folder, node="lon1", shard=shard, clock=SystemClock())
        try:
            yield spool
        finally:
            await spool.close()

    @asynccontextmanager
    async def worker(
        self, shard: int = 0, *, sockets: Sequence[socket.socket] = (), retiring: bool = False
    ) -> AsyncIterator[WatchedWorker]:
        self.state.mkdir(exist_ok=True)
        worker = WatchedWorker(
            shard,
            settings=self.settings(),
            sockets=sockets,
            retiring=retiring,
            clock=SystemClock(),
            start=spawning(),
        )
        worker.statuses = []
        run = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await run
            finally:
                worker.kill()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


async def judged(spool: Spool, disposition: Disposition) -> MessageId:
    """Return a message that is judged already."""
    message = await accept(spool)
    one = Judged(number=0, disposition=disposition, reason="test", copy=Copy(head=b"X: y\r\n"))
    await spool.judge(
        message,
        Judgement(
            revision=1,
            subject="hi",
            message_id_header="<1@sender.example>",
            recipients=(one,),
            verdicts=(),
            score=0.0,
            quarantine_reason="virus" if disposition is Disposition.QUARANTINE else "",
        ),
    )
    return message


def says(worker: Worker, question: StatusQuestion, **facts: Any) -> Callable[[], Awaitable[bool]]:
    """Return what looks whether a worker's answer holds these facts."""

    async def look() -> bool:
        answer = await worker.ask(question)
        return isinstance(answer, StatusAnswer) and facts.items() <= asdict(answer).items()

    return look


async def test_a_worker_listens_once_it_has_preferences_and_not_before(node: Node) -> None:
    async with AsyncExitStack() as stack:
        one = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        one.setblocking(False)
        worker = await stack.enter_async_context(node.worker(sockets=[one]))
        await until(
            says(worker, STATUS, listening=False, not_accepting_reason="no preferences yet"),
            "it waits for preferences",
        )
        reader, writer = await asyncio.open_connection(*one.getsockname())
        stack.callback(writer.close)

        core = await stack.enter_async_context(node.core())
        await core.database.preferences.publish([route()], who="test")

        async with asyncio.timeout(DEADLINE_S):
            banner = await reader.readline()  # the connection waited in the parent's socket
        assert banner.startswith(b"220 lon1.mx.example")
        await until(
            says(worker, STATUS, listening=True, not_accepting_reason="", revision=1), "listening"
        )


async def test_a_shard_that_is_one_too_many_works_off_what_it_has_and_retires(node: Node) -> None:
    async with node.spool(1) as spool:
        message = await judged(spool, Disposition.QUARANTINE)
    async with AsyncExitStack() as stack:
        one = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        worker = await stack.enter_async_context(node.worker(1, sockets=[one], retiring=True))
        await until(says(worker, STATUS, outbox_quarantine=1), "it has not forgotten")
        assert worker.statuses == []

        core = await stack.enter_async_context(node.core())
        await core.database.preferences.publish([route()], who="test")

        await until(lambda: worker.statuses == [RETIRED], "it has retired")
        one.setblocking(False)
        with socket.create_connection(one.getsockname()):
            connection, _ = one.accept()  # nobody else took it
            connection.close()
        assert worker.starts == 1
        case = await core.custody.case(message)
        assert case is not None
        assert (case.node, case.shard) == ("lon1", 1)
    async with node.spool(1) as spool:
        assert not any(spool.counts().values())
        assert spool.backlog_sizes() == (0, 0), "not even a record of its end"


async def test_a_worker_whose_spool_breaks_ends_and_the_next_reads_what_the_disk_has(
    node: Node,
) -> None:
    async with node.spool() as spool:
        message = await judged(spool, Disposition.DELIVER)
        await spool.freeze(message, "frozen by an operator")
    log = shard_folder(node.state, 0) / "spool.db-wal"
    async with node.worker() as worker:
        await until(says(worker, STATUS, listening=False), "it runs")
        # From here on every write beyond the log's end fails as on a disk that is broken.
        limit = (log.stat().st_size, log.stat().st_size)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, limit)

        for _ in range(REFUSED_MAX):
            await worker.ask(ResumeQuestion(id=message))

        await until(lambda: worker.statuses == [1], "it ends")
        await until(says(worker, STATUS, listening=False), "the next one runs")
        answer = await worker.ask(ShowQuestion(id=message))
    assert isinstance(answer, ShowAnswer)
    assert answer.messages[0].recipients[0].state == "frozen", "what was never durable"
    assert worker.statuses == [1, 0]


async def test_a_worker_told_to_stop_ends_in_order_and_says_so(node: Node) -> None:
    async with node.worker() as worker:
        await until(says(worker, STATUS, listening=False), "it runs")

    assert worker.statuses == [0]
    async with node.spool() as spool:
        events = [record.event for record in spool.records(after=0, limit=100)]
    assert events == ["started", "stopped"]


async def test_a_worker_is_no_orphan_when_the_channel_to_its_parent_ends(node: Node) -> None:
    async with node.worker() as worker:
        await until(says(worker, STATUS, listening=False), "it runs")

        worker.hang_up()

        await until(lambda: worker.statuses == [1], "it ends")
        await until(says(worker, STATUS, listening=False), "the next one runs")


async def test_an_interrupt_from_the_terminal_is_left_to_the_parent(node: Node) -> None:
    async with node.worker() as worker:
        await until(says(worker, STATUS, listening=False), "it runs")

        os.kill(worker.pid, signal.SIGINT)

        await until(says(worker, STATUS, listening=False), "it still answers")
        assert is_alive(worker.pid)
        assert worker.starts == 1


async def test_a_worker_waits_for_its_shard_until_whoever_has_it_lets_go(node: Node) -> None:
    async with AsyncExitStack() as stack:
        holding = await stack.enter_async_context(AsyncExitStack())
        await holding.enter_async_context(node.spool())
        worker = await stack.enter_async_context(node.worker())
        await until(lambda: worker.starts == 1, "it is started")

        await holding.aclose()

        await until(says(worker, STATUS, listening=False), "it runs")
        assert worker.statuses == []


async def test_a_worker_that_hands_over_ends_in_order_and_the_next_one_runs(node: Node) -> None:
    async with node.worker() as worker:
        await until(says(worker, STATUS, listening=False), "it runs")
        fresh = node.settings().model_copy(update={"hostname": "fresh.mx.example"})

        assert await worker.replace(fresh, stop_s=DEADLINE_S)

        assert worker.statuses == [0]
        assert worker.starts == 2
        os.kill(worker.pid, signal.SIGHUP)
        await until(says(worker, STATUS, listening=False), "a hang-up means nothing to it")
        assert worker.starts == 2
