"""A customer wants mail scanned before the answer: a real clamd, a real sender, a whole cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import message
from tests.support.scanning.clamd import Clamd, clamd_binary
from tests.support.smtp import corpus
from tests.support.smtp.senders import Sent, swaks
from tests.support.smtp.sink import Sink

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

NODE = "one1"
SENDER = "a@sender.example"
EICAR = "eicar-in-zip"


@dataclass(frozen=True)
class ScanningNode:
    """A cluster of one node whose one engine is a clamd."""

    cluster: Cluster
    sink: Sink
    clamd: Clamd
    folder: Path

    async def send(self, recipient: str, data: bytes) -> Sent:
        """Hand over a message with swaks."""
        path = self.folder / "message.eml"
        path.write_bytes(data)
        target = self.cluster.smtp(NODE)
        return await swaks(target, sender=SENDER, recipients=[recipient], data=path)

    async def policy(self, *keys: str) -> None:
        """Set policy keys of the domain, and return once the node has applied them."""
        said = await self.cluster.run("policy", "set", "domain/fjord.example", *keys, "--json")
        await self.cluster.applied(int(said.json()["revision"]))

    def arrived(self, recipient: str) -> int:
        return sum(recipient in one.recipients for one in self.sink.arrivals)


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with Clamd(tmp_path_factory.mktemp("clamd")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(
    tmp_path_factory: pytest.TempPathFactory, clamd: Clamd
) -> AsyncIterator[ScanningNode]:
    folder = tmp_path_factory.mktemp("before")
    engine = {"name": "clamav", "kind": "clamd", "address": clamd.address}
    async with Sink() as sink:
        tree = inventory(
            name="before",
            sites=[site("one", NODE, number=1, engines=[engine])],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        async with cluster(folder, tree, settings={NODE: {"waiting_retry_s": 0.5}}) as running:
            made = ScanningNode(running, sink, clamd, folder)
            await made.policy("scan=before", "virus=reject", "scan_budget_s=20")
            yield made


async def test_a_virus_is_refused_to_its_sender_and_explained_and_nothing_is_kept(
    node: ScanningNode,
) -> None:
    sent = await node.send("virus@fjord.example", corpus.message(EICAR))
    (known,) = await node.cluster.ended("virus@fjord.example")

    assert sent.final_reply == "550 5.7.1 Message refused: a virus was found in it"
    assert [event["event"] for event in known["events"]] == [
        "rejected",
        "scanned",
        "condemned",
        "judged",
        "ended",
    ]
    (recipient,) = known["recipients"]
    assert recipient["state"] == "rejected"
    assert "Eicar" in recipient["reason"]
    assert known["sender"] == SENDER
    assert node.arrived("virus@fjord.example") == 0
    assert await node.cluster.quarantine() == []


async def test_clean_mail_is_accepted_and_delivered_once(node: ScanningNode) -> None:
    sent = await node.send("clean@fjord.example", message())
    (known,) = await node.cluster.ended("clean@fjord.example")

    assert sent.final_reply.startswith("250 2.0.0")
    assert known["recipients"][0]["state"] == "delivered"
    assert node.arrived("clean@fjord.example") == 1
    assert [event["event"] for event in known["events"]].count("scanned") == 1


async def test_a_large_message_is_scanned_from_its_file(node: ScanningNode) -> None:
    sent = await node.send("large@fjord.example", corpus.message("line-of-900-kilobytes"))
    (known,) = await node.cluster.ended("large@fjord.example")

    assert sent.final_reply.startswith("250 2.0.0")
    assert known["recipients"][0]["state"] == "delivered"
    assert [event["event"] for event in known["events"]].count("scanned") == 1


async def test_with_clamd_gone_mail_is_accepted_waits_and_is_judged_when_it_is_back(
    node: ScanningNode,
) -> None:
    node.clamd.stop()
    try:
        sent = await node.send("gone@fjord.example", corpus.message(EICAR))
    finally:
        node.clamd.start()
    (known,) = await node.cluster.ended("gone@fjord.example")

    assert sent.final_reply.startswith("250 2.0.0")
    assert known["recipients"][0]["state"] == "quarantined"
    assert "acts as quarantine" in known["recipients"][0]["reason"]


async def test_a_clamd_that_hangs_costs_a_sender_its_budget_and_no_more(node: ScanningNode) -> None:
    await node.policy("scan_budget_s=0.1")
    node.clamd.freeze()
    try:
        sent = await node.send("hangs@fjord.example", corpus.message(EICAR))
    finally:
        node.clamd.thaw()
    (known,) = await node.cluster.ended("hangs@fjord.example")

    assert sent.final_reply.startswith("250 2.0.0")
    assert known["recipients"][0]["state"] == "quarantined"
    await node.policy("scan_budget_s=20")
