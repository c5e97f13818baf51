"""A node keeps risky mail through kill -9, and a whole cluster tells who got what too early."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import Cluster, cluster, kill
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.scanning.clamd import Clamd, clamd_binary
from tests.support.scanning.messages import WINDOWS_PROGRAM, with_attachment
from tests.support.smtp.senders import Sent, swaks
from tests.support.smtp.sink import Sink
from tests.support.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

NODE = "one1"
NEW = WINDOWS_PROGRAM + b"nobody has met this before"
RISKY = with_attachment(NEW)


@dataclass(frozen=True)
class LookingNode:
    """A cluster of one node whose one engine is a clamd."""

    cluster: Cluster
    sink: Sink
    clamd: Clamd
    folder: Path

    async def send(self, recipient: str) -> Sent:
        path = self.folder / "message.eml"
        path.write_bytes(RISKY)
        target = self.cluster.smtp(NODE)
        return await swaks(target, sender="a@sender.example", recipients=[recipient], data=path)

    async def policy(self, *keys: str) -> None:
        said = await self.cluster.run("policy", "set", "domain/fjord.example", *keys, "--json")
        await self.cluster.applied(int(said.json()["revision"]))

    async def spool(self, *arguments: str) -> Any:
        config = self.cluster.config(NODE)
        return (await self.cluster.run("spool", *arguments, "--config", config, "--json")).json()

    async def kept(self, recipient: str) -> dict[str, Any]:
        """Return a message once it is kept, as the node's spool shows it."""

        async def look() -> dict[str, Any] | None:
            try:
                listed = await self.spool("list", "--state", "waiting")
            except (ValueError, AssertionError):  # it is starting, or has none
                return None
            found = listed if isinstance(listed, list) else [listed]
            return next((m for m in found if m["recipients"][0]["address"] == recipient), None)

        return await until(look, f"the mail for {recipient} is kept")

    def arrived(self, recipient: str) -> int:
        return sum(recipient in one.recipients for one in self.sink.arrivals)


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with Clamd(tmp_path_factory.mktemp("clamd")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(
    tmp_path_factory: pytest.TempPathFactory, clamd: Clamd
) -> AsyncIterator[LookingNode]:
    folder = tmp_path_factory.mktemp("looking")
    engine = {"name": "clamav", "kind": "clamd", "address": clamd.address}
    async with Sink() as sink:
        tree = inventory(
            name="looking",
            sites=[site("one", NODE, number=1, engines=[engine])],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        async with cluster(folder, tree, settings={NODE: {"waiting_retry_s": 0.5}}) as running:
            yield LookingNode(running, sink, clamd, folder)


@pytest.mark.parametrize("scan", ["after", "before"])
async def test_what_is_kept_survives_kill_9_and_leaves_once_when_an_operator_says_so(
    node: LookingNode, scan: str
) -> None:
    recipient = f"kept-{scan}@fjord.example"
    await node.policy("zero_hour=60", f"scan={scan}")
    sent = await node.send(recipient)
    assert sent.final_reply.startswith("250 2.0.0")
    before = await node.kept(recipient)
    assert before["recipients"][0]["reason"].startswith("zero_hour: program, ")
    assert before["recipients"][0]["next_us"] > 0

    (worker,) = node.cluster.shards(NODE).values()
    kill(worker)
    await node.cluster.kill(NODE)
    await node.cluster.restart(NODE)

    after = await node.kept(recipient)
    assert after["id"] == before["id"]
    assert after["recipients"][0]["reason"] == before["recipients"][0]["reason"]
    assert node.arrived(recipient) == 0
    (known,) = await node.cluster.track(recipient)
    assert known["recipients"][0]["state"] == "waiting"
    await node.spool("resume", before["id"])
    (known,) = await node.cluster.ended(recipient)
    assert known["recipients"][0]["state"] == "delivered"
    assert node.arrived(recipient) == 1
    await node.policy("zero_hour=none", "scan=after")


async def test_who_got_it_before_it_was_known_is_listed(node: LookingNode) -> None:
    await node.send("early@fjord.example")
    await node.cluster.ended("early@fjord.example")
    assert (await node.cluster.ask("GET", "/status"))["late"]["messages"] == 0

    node.clamd.learn("New.Threat", NEW)
    await node.send("later@fjord.example")
    (later,) = await node.cluster.ended("later@fjord.example")

    assert later["recipients"][0]["state"] == "quarantined"
    said = (await node.cluster.run("report", "late", "--json")).json()
    (fjord,) = said["customers"]
    named = {one["address"] for message in fjord["messages"] for one in message["recipients"]}
    assert "early@fjord.example" in named
    assert "later@fjord.example" not in named
    assert {message["by"]["id"] for message in fjord["messages"]} == {later["id"]}
    shown = (await node.cluster.run("status")).out
    assert "delivered before it was known what they hold" in shown
