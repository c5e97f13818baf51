"""A node with a real name server tells readers who answers for mail, and refuses forgeries."""

from __future__ import annotations

import email
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.network.named import NAMED, named
from tests.support.smtp.senders import Sent, swaks
from tests.support.smtp.signing import key_record, signed
from tests.support.smtp.sink import Sink

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not NAMED, reason="named is not installed (package bind9)"),
]

NODE = "one1"
KEY = key_record()
ZONE = f"""
$ORIGIN sender.test.
@ IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc IN TXT "v=DMARC1; p=reject"
test._domainkey IN TXT {" ".join(f'"{KEY[at : at + 200]}"' for at in range(0, len(KEY), 200))}
"""
ON = [
    {"kind": "filter", "key": name, "body": {"kind": kind, "options": options}}
    for name, kind, options in (
        ("authentication", "authentication", {"private_clients": True}),
        ("people", "spoofing", {"people": "Anna Meier"}),
    )
]
PLAIN = (
    b"From: Anna Meier <anna@sender.test>\r\nTo: b@fjord.example\r\nSubject: Hi\r\n"
    b"Authentication-Results: mx.scout.example; dmarc=pass header.from=bank.example\r\n"
    b"Authentication-Results: other.example; spf=pass\r\n\r\nText.\r\n"
)


@dataclass(frozen=True)
class AuthenticatingNode:
    """A cluster of one node that asks a name server of its own."""

    cluster: Cluster
    sink: Sink
    folder: Path

    async def send(self, recipient: str, data: bytes) -> Sent:
        path = self.folder / "message.eml"
        path.write_bytes(data)
        return await swaks(
            self.cluster.smtp(NODE), sender="a@sender.test", recipients=[recipient], data=path
        )

    async def apply(self, *command: str | Path) -> None:
        said = await self.cluster.run("policy", *command, "--json")
        await self.cluster.applied(int(said.json()["revision"]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AuthenticatingNode]:
    folder = tmp_path_factory.mktemp("authentication")
    (folder / "named").mkdir()
    async with Sink() as sink, named(folder / "named", {"test": ZONE}) as dns:
        tree = inventory(
            name="authentication",
            sites=[site("one", NODE, number=1)],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
            resolver=dns.endpoint,
        )
        async with cluster(folder, tree) as running:
            made = AuthenticatingNode(running, sink, folder)
            (folder / "filters.json").write_text(json.dumps(ON))
            await made.apply("apply", folder / "filters.json")
            await made.apply("set", "domain/fjord.example", "scan=before", "dmarc=reject")
            yield made


async def test_the_reader_is_told_and_no_stranger_tells_in_our_name(
    node: AuthenticatingNode,
) -> None:
    sent = await node.send("b@fjord.example", signed(PLAIN, domain="sender.test"))
    (known,) = await node.cluster.ended("b@fjord.example")

    assert sent.final_reply.startswith("250 "), sent.final_reply
    assert known["recipients"][0]["state"] == "delivered"
    (arrival,) = node.sink.arrivals
    fields = email.message_from_bytes(arrival.data).get_all("Authentication-Results")
    ours, others = fields or ("", "")
    assert " ".join(ours.split()).startswith(
        "mx.scout.example; spf=fail smtp.mailfrom=sender.test; dkim=pass header.d=sender.test"
    )
    assert "dmarc=pass (p=reject) header.from=sender.test; arc=none" in " ".join(ours.split())
    assert others == "other.example; spf=pass"
    (spam,) = email.message_from_bytes(arrival.data).get_all("X-BorderScout-Spam") or [""]
    for name in ("SPF_FAIL:1.5", "DKIM_PASS:-0.1", "DMARC_PASS:-0.2", "SPOOF_PERSON:3.0"):
        assert name in spam


async def test_a_forgery_is_refused_as_its_domain_asks(node: AuthenticatingNode) -> None:
    sent = await node.send("c@fjord.example", PLAIN)
    (known,) = await node.cluster.ended("c@fjord.example")

    assert sent.final_reply.startswith("550 5.7.26 "), sent.final_reply
    (recipient,) = known["recipients"]
    assert recipient["state"] == "rejected"
    assert "sender.test asks for reject; policy dmarc=reject" in recipient["reason"]
