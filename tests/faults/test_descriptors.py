"""A node with hardly any file descriptors turns connections away, spins nowhere, and recovers."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from satellite.overload.descriptors import RESERVED, for_next_hops
from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.commands import COMMAND
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import Town
from tests.support.node.processes import Process
from tests.support.smtp.senders import program
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Broken, SmtpClient

pytestmark = [
    pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is not installed"),
]

NODE = "one1"
DESCRIPTORS = 96
CONNECTIONS = 200
LOOK_S = 2.0  # a spin is seen in the time of the processor that it takes
SPIN_SHARE = 0.6  # of one processor; a spinning loop takes all of it
REPLY_S = 20.0


@asynccontextmanager
async def a_town(folder: Path) -> AsyncIterator[Town]:
    async with Sink() as sink:
        tree = inventory(
            name="few",
            sites=[site("one", NODE, number=1)],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        async with cluster(folder, tree) as running:
            yield Town(running, sink, folder)


async def restart_with_few(running: Cluster) -> None:
    """Start the node again with a small limit of open files, soft and hard."""
    await running.stop(NODE)
    limits = [program("prlimit"), f"--nofile={DESCRIPTORS}"]
    config = running.config(NODE)
    process = Process([*limits, COMMAND, "satellite", "serve", "--config", config])
    await process.start()
    running.replace(NODE, process)
    await running.ready(NODE)


async def knock(running: Cluster, count: int) -> list[SmtpClient]:
    """Connect so many times, and keep whatever was opened."""
    clients = [SmtpClient(*running.smtp(NODE), deadline_s=REPLY_S) for _ in range(count)]
    await asyncio.gather(*(_open(client) for client in clients))
    return clients


async def _open(client: SmtpClient) -> None:
    try:
        await client.open()
    except Broken:
        await client.close()


async def processor_share(pid: int) -> float:
    """Return what a process takes of one processor over a while."""
    before_s, began_s = _processor_s(pid), time.monotonic()
    await asyncio.sleep(LOOK_S)
    return (_processor_s(pid) - before_s) / (time.monotonic() - began_s)


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def leave(clients: Sequence[SmtpClient]) -> None:
    await asyncio.gather(*(client.close() for client in clients))


@pytest.mark.scenario(
    row=15, checks="as many sessions as descriptors allow, 421 for the others, mail still flows"
)
async def test_no_more_clients_are_let_in_than_there_are_descriptors_for(tmp_path: Path) -> None:
    async with a_town(tmp_path) as town:
        running = town.cluster
        await restart_with_few(running)
        clients = await knock(running, CONNECTIONS)
        banners = [client.banner[:9] for client in clients]
        (worker,) = running.shards(NODE).values()

        let_in = DESCRIPTORS - RESERVED - for_next_hops(DESCRIPTORS)
        assert banners.count("421 4.7.0") == CONNECTIONS - let_in
        assert sum(banner.startswith("220") for banner in banners) == let_in
        assert await processor_share(worker) < SPIN_SHARE
        # One of those inside hands over mail: the spool, the helper and delivery have descriptors.
        inside = next(client for client in clients if client.banner.startswith("220"))
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<x@fjord.example>", "DATA"):
            assert (await inside.ask(line))[:1] in "23"
        assert (await inside.ask("Subject: few\r\n\r\nx\r\n.")).startswith("250 ")
        await town.arrival("x@fjord.example")

        await leave(clients)
        await town.deliver(NODE, "y@fjord.example")


@pytest.mark.scenario(
    row=15, checks="accept fails with EMFILE: no spin, no 5xx, recovers by itself"
)
async def test_a_worker_that_runs_out_in_the_middle_spins_nowhere_and_recovers(
    tmp_path: Path,
) -> None:
    async with a_town(tmp_path) as town:
        running = town.cluster
        (worker,) = running.shards(NODE).values()
        await town.deliver(NODE, "before@fjord.example")
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (_open_files(worker) + 10, before[1]))

        clients = await knock(running, CONNECTIONS)
        share = await processor_share(worker)
        await running.get(NODE, "/readyz")
        page, _ = await running.get(NODE, "/metrics")

        assert page == 200, "who watches a node must not harm it"
        assert share < SPIN_SHARE, "the accept loop spins"
        replies = {client.banner[:1] for client in clients} - {""}
        assert replies <= {"2", "4"}, replies
        await leave(clients)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        assert running.shards(NODE) == {0: worker}, "nobody restarted anything"
        await town.deliver(NODE, "after@fjord.example")


def _open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
