"""Who lives in the cluster that most of the cluster's tests share?

Touches what it is given: a running cluster and the customers' mail server. Three sites, two workers
at the second, two customers: an inventory that nothing else uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.clock import SystemClock
from tests.support.cluster.cluster import Cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.smtp.sink import Arrival, Sink
from tests.support.smtp.smtp_client import Letter, SmtpClient, Transaction
from tests.support.waiting import until
from tests.support.witnesses.ledger import Ledger
from tests.support.witnesses.load import Pace, Tally, send_all

NODES = ("osl1", "rom1", "cph1")
SENDER = "a@sender.example"
REPLY_S = 30.0


def tree(server: str) -> dict[str, Any]:
    """Return the inventory; all mail goes to ``server`` (HOST:PORT)."""
    return inventory(
        name="town",
        sites=[
            site("oslo", "osl1", number=1),
            site("rome", "rom1", number=2, workers=2),
            site("copenhagen", "cph1", number=3),
        ],
        customers=[
            customer("fjord", [server], "fjord.example", "sea.fjord.example"),
            customer("tiber", [server], "tiber.example"),
        ],
        smarthost=server,
    )


def message(subject: str = "Hello", *, text: str = "How are you?", **fields: str) -> bytes:
    """Return a small message; further header fields are written with ``_`` for ``-``."""
    header = {"From": f"<{SENDER}>", "To": "<x@fjord.example>", "Subject": subject}
    header |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [*(f"{name}: {value}" for name, value in header.items()), "", text, ""]
    return "\r\n".join(lines).encode("utf-8")


@dataclass(frozen=True, slots=True)
class Town:
    """The cluster, and the customers' mail server."""

    cluster: Cluster
    sink: Sink
    folder: Path

    async def send(
        self,
        node: str,
        *recipients: str,
        data: bytes = b"",
        sender: str = SENDER,
    ) -> Transaction:
        """Hand one message to a node, and return what it answered."""
        client = SmtpClient(*self.cluster.smtp(node), deadline_s=REPLY_S)
        heard = Transaction()
        await client.open()
        try:
            letter = Letter(gid="", sender=sender, recipients=recipients, data=data or message())
            await client.transact(letter, heard)
        finally:
            await client.quit()
        return heard

    async def deliver(self, node: str, *recipients: str, **what: Any) -> dict[str, Any]:
        """Hand over one message that must be accepted, and return it as the core tracks its end."""
        heard = await self.send(node, *recipients, **what)
        assert (heard.reply or "").startswith("250"), heard
        (found,) = await self.cluster.ended(queued_as(heard))
        return found

    async def send_pile(
        self, pile: Sequence[Letter], ledger: Path, *, nodes: Sequence[str] = ()
    ) -> Tally:
        """Hand over many letters to nodes in turn; to all of them when none is named."""
        targets = [self.cluster.smtp(node) for node in nodes or self.cluster.nodes]
        pace = Pace(concurrency=4)
        with Ledger(ledger, clock=SystemClock()) as book:
            return await send_all(pile, targets=targets, ledger=book, pace=pace)

    def arrived(self, recipient: str) -> list[Arrival]:
        """Return what came for a recipient so far."""
        return [one for one in self.sink.arrivals if recipient in one.recipients]

    async def arrival(self, recipient: str) -> Arrival:
        """Return the one message for a recipient, once it has come."""

        async def look() -> list[Arrival]:
            return self.arrived(recipient)

        (one,) = await until(look, f"something comes for {recipient}")
        return one


def queued_as(heard: Transaction) -> str:
    """Return the id in the answer to a message that was accepted."""
    return (heard.reply or "").rpartition(" ")[2]


def header_of(arrival: Arrival) -> Mapping[str, str]:
    """Return the header of an arrived message, unfolded; the uppermost of each name, lower case."""
    found: dict[str, str] = {}
    name = ""
    for line in arrival.data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n"):
        if line[:1] in (" ", "\t"):
            found[name] += line
            continue
        name, _, value = line.partition(":")
        name = name.lower()
        if name in found:
            name = f"{name} again"
        found[name] = value.strip()
    return found
