"""A lesson reaches the filters of each node over real gRPC, whatever is cut on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import rpc, wire
from common.identity import ShardIdentity
from common.lessons import LearnersHello, Lesson, LessonOutcome, Truth
from core.link.calls import Context
from core.link.lessons import LessonStreams
from satellite.filtering.filter import Learned
from tests.support.core.rooms import document, route
from tests.support.network.link import (
    CLUSTER,
    Certificates,
    Core,
    MemorySpool,
    Shard,
    satellite_settings,
    until,
)

NODES = ("lon1", "fra1")
MAIL = b"Subject: pills\r\n\r\nbuy them\r\n"


class Pupil:
    """A filter that learns, as a test wants it."""

    def __init__(self) -> None:
        self.lessons: list[Lesson] = []
        self.answers = [Learned(LessonOutcome.LEARNED)]  # the last one for ever
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def learn(self, lesson: Lesson) -> Learned:
        self.lessons.append(lesson)
        await self.goes_on.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class TaughtCluster:
    """A core and two nodes that learn."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificates = Certificates(folder / "authority")
        self.shards: dict[str, Shard] = {}
        self.pupils = {node: Pupil() for node in NODES}
        self.core: Core

    async def start_core(self, *, port: int = 0) -> None:
        tls = self.certificates.issue("core", "core")
        self.core = await Core.start(self._folder / "core", tls, nodes=NODES, port=port)

    def start(self, node: str) -> None:
        tls = self.certificates.issue("satellite", node)
        settings = satellite_settings(tls, port=self.core.port, node=node)
        learners = {"rspamd": self.pupils[node]}
        self.shards[node] = Shard.start(MemorySpool(node), settings, learners=learners)

    async def report(self, octets: bytes = MAIL, *, truth: Truth = Truth.SPAM) -> str:
        told = await self.core.learning.report(octets, customer="acme", truth=truth, who="joe")
        return told.lesson_id

    async def are(self, waiting: int, learned: int) -> None:
        async def holds() -> bool:
            found = (await self.core.learning.status())["learners"]
            wanted = [(waiting, learned)] * len(NODES)
            return [(one["waiting"], one["learned"]) for one in found] == wanted

        await until(holds, f"{waiting} wait, {learned} are learned")

    async def stop(self) -> None:
        for shard in self.shards.values():
            await shard.stop()
        await self.core.stop()


@pytest.fixture
async def taught(tmp_path: Path) -> AsyncIterator[TaughtCluster]:
    made = TaughtCluster(tmp_path)
    await made.start_core()
    await made.core.database.preferences.publish(
        [route(), document("policy", "customer/acme", {"learning": "on"})], who="t"
    )
    for node in NODES:
        made.start(node)
    yield made
    await made.stop()


async def test_a_lesson_reaches_each_node_and_what_it_made_of_it_is_known(
    taught: TaughtCluster,
) -> None:
    taught.pupils["fra1"].answers = [
        Learned(LessonOutcome.AWAY, "it is not there"),
        Learned(LessonOutcome.LEARNED),
    ]
    first = await taught.report()
    await taught.are(0, 1)
    second = await taught.report(b"Subject: work\r\n\r\nas ever\r\n", truth=Truth.HAM)
    await taught.are(0, 2)

    assert [one.id for one in taught.pupils["lon1"].lessons] == [first, second]
    assert [one.id for one in taught.pupils["fra1"].lessons] == [first, first, second]
    lesson = taught.pupils["lon1"].lessons[0]
    assert (lesson.customer, lesson.truth, lesson.octets) == ("acme", Truth.SPAM, MAIL)


async def test_a_lesson_outlives_core_and_link(taught: TaughtCluster) -> None:
    for pupil in taught.pupils.values():
        pupil.goes_on.clear()  # the core dies while the answer is due
    lesson = await taught.report()
    await until(lambda: all(p.lessons for p in taught.pupils.values()), "they are told")
    port = taught.core.port

    await taught.core.stop()
    for pupil in taught.pupils.values():
        pupil.goes_on.set()
        pupil.answers = [Learned(LessonOutcome.LEARNED)]
    await taught.start_core(port=port)
    await taught.are(0, 1)

    for pupil in taught.pupils.values():
        assert {one.id for one in pupil.lessons} == {lesson}
        assert len(pupil.lessons) == 2  # told again, since nobody had heard the answer


async def test_a_node_that_was_away_misses_nothing_and_a_filter_that_raises_is_told_of(
    taught: TaughtCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raises(_: Lesson) -> Learned:
        raise RuntimeError("out of order")

    await taught.shards["fra1"].stop()
    monkeypatch.setattr(taught.pupils["lon1"], "learn", raises)
    await taught.report()
    taught.start("fra1")

    async def told() -> bool:
        found = (await taught.core.learning.status())["learners"]
        said = {one["node"]: (one["waiting"], one["learned"], one["reason"]) for one in found}
        return said == {"lon1": (1, 0, "RuntimeError: out of order"), "fra1": (0, 1, "")}

    await until(told, "it is told")


async def test_nobody_hears_lessons_for_another_node(taught: TaughtCluster) -> None:
    tls = taught.certificates.issue("satellite", "fra1")
    channel = rpc.open_channel(
        f"127.0.0.1:{taught.core.port}", tls.read(), cluster=CLUSTER, core_name="core"
    )
    hello = LearnersHello(
        identity=ShardIdentity("lon1", 0, "01KDVDNA000000000000000009"), learners=("rspamd",)
    )
    call = LinkStub(channel).Lessons()

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.write(wire.learners_hello_to_wire(hello))
        async for _ in call:
            pass
    await channel.close()

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_with_a_core_of_the_version_before_all_else_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(_self: LessonStreams, _messages: object, context: Context) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")

    monkeypatch.setattr(LessonStreams, "serve", unknown)
    made = TaughtCluster(tmp_path)
    await made.start_core()
    try:
        made.start("lon1")

        def says() -> bool:
            problems = made.shards["lon1"].link.status(now_s=0).problems
            return any("older one, and teaches nothing" in one for one in problems)

        await until(says, "it is said")
        await until(lambda: made.core.state("lon1") != "silent", "the link is there")
    finally:
        await made.stop()
