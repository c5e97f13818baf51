"""What is counted at one node is known at all others, over real gRPC with real certificates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import rpc, wire
from common.identity import ShardIdentity
from common.tallies import TellsTallies
from core.link.calls import Context
from core.link.tallies import TallyStreams
from tests.support.network.link import (
    CLUSTER,
    Certificates,
    Core,
    MemorySpool,
    Shard,
    satellite_settings,
    until,
)

NODES = ("lon1", "fra1", "nyc1")
HOUR_S = 3600.0  # of a hurried clock


class CountingCluster:
    """A core and three nodes that count."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._certificates = Certificates(folder / "authority")
        self.shards: dict[str, Shard] = {}
        self.core: Core

    async def start_core(self, *, port: int = 0) -> None:
        tls = self._certificates.issue("core", "core")
        self.core = await Core.start(self._folder / "core", tls, nodes=NODES, port=port)

    def start(self, node: str, *, life: str = "") -> None:
        tls = self._certificates.issue("satellite", node)
        settings = satellite_settings(tls, port=self.core.port, node=node)
        self.shards[node] = Shard.start(MemorySpool(node), settings, life=life)

    def add(self, node: str, amount: int = 1) -> None:
        self.shards[node].tallies.add("mail", b"sender@a.example", amount)

    def amounts(self) -> list[int]:
        """Return what each node knows of one sender."""
        totals = (
            self.shards[node].tallies.total("mail", b"sender@a.example", window_s=HOUR_S)
            for node in NODES
        )
        return [total.amount for total in totals]

    async def agree(self, amount: int, what: str) -> None:
        await until(lambda: self.amounts() == [amount] * len(NODES), what)

    async def stop(self) -> None:
        for shard in self.shards.values():
            await shard.stop()
        await self.core.stop()

    def tls(self, node: str) -> rpc.TlsFiles:
        return self._certificates.issue("satellite", node)


@pytest.fixture
async def counting(tmp_path: Path) -> AsyncIterator[CountingCluster]:
    made = CountingCluster(tmp_path)
    await made.start_core()
    for node in NODES:
        made.start(node)
    yield made
    await made.stop()


async def test_what_is_seen_at_one_node_is_known_at_all(counting: CountingCluster) -> None:
    counting.add("lon1", 3)
    counting.add("fra1", 4)

    await counting.agree(7, "all know")


async def test_without_the_core_each_goes_on_and_a_new_core_is_told_again(
    counting: CountingCluster,
) -> None:
    counting.add("lon1", 3)
    await counting.agree(3, "all know")
    port = counting.core.port

    await counting.core.stop()
    counting.add("fra1", 4)
    assert counting.amounts() == [3, 7, 3]
    lon1 = counting.shards["lon1"]
    await until(lambda: not lon1.tallies.status().is_of_all_sites, "it says so")
    await until(
        lambda: any(one.startswith("tallies: ") for one in lon1.link.status(now_s=0).problems),
        "the link says so",
    )

    await counting.start_core(port=port)
    await counting.agree(7, "all know again")


async def test_a_shard_that_begins_anew_is_told_what_it_had_counted(
    counting: CountingCluster,
) -> None:
    counting.add("lon1", 3)
    await counting.agree(3, "all know")

    await counting.shards["lon1"].stop()
    counting.start("lon1")
    await counting.agree(3, "it knows again, and nothing counts twice")
    counting.add("lon1")

    await counting.agree(4, "it counts on")


async def test_a_stream_that_is_opened_anew_counts_nothing_twice(
    counting: CountingCluster,
) -> None:
    counting.add("lon1", 3)
    await counting.agree(3, "all know")
    life = counting.shards["lon1"].tallies.life

    await counting.shards["lon1"].stop()
    counting.start("lon1", life=life)  # as a clone of the machine would come
    counting.add("lon1", 3)

    await until(lambda: counting.amounts()[1:] == [3, 3], "what it says replaces what it said")


async def test_nobody_counts_for_another_node(counting: CountingCluster) -> None:
    channel = rpc.open_channel(
        f"127.0.0.1:{counting.core.port}",
        counting.tls("fra1").read(),
        cluster=CLUSTER,
        core_name="core",
    )
    stub = LinkStub(channel)
    lon1 = MemorySpool("lon1")
    identity = ShardIdentity(lon1.node, lon1.shard, lon1.life.incarnation)
    call = stub.Tallies()

    await call.write(wire.tallies_request_to_wire((), TellsTallies(identity, "0" * 16)))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in call:
            pass

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    await channel.close()


async def test_with_an_older_core_each_counts_for_itself_and_the_status_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(self: TallyStreams, messages: object, context: Context) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")

    monkeypatch.setattr(TallyStreams, "serve", unknown)
    counting = CountingCluster(tmp_path)
    await counting.start_core()
    for node in NODES:
        counting.start(node)
    try:
        counting.add("lon1", 3)
        await until(
            lambda: any("an older one" in one for one in counting.core.problems("lon1")),
            "the core shows it",
        )
        assert counting.amounts() == [3, 0, 0]
        assert counting.core.state("lon1") != "silent"
    finally:
        await counting.stop()
