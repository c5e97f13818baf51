"""A node starts while something about its link is wrong, and serves all the same.

Whole processes: no VPN, so that neither its own address in it nor the core is there; and a document
in its spool that cannot be read.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from satellite.console.control_socket import ask as ask_node
from satellite.node.health import StatusQuestion
from tests.support.cluster.cluster import CORE, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import Town, header_of, queued_as
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Broken, Transaction
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NODE = "one1"
NOT_HERE = "192.0.2.77:9"  # no machine has an address of the documentation's network
NOBODY = "127.0.0.1:9"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    folder = tmp_path_factory.mktemp("cases")
    async with Sink() as sink:
        server = [f"127.0.0.1:{sink.port}"]
        tree = inventory(
            name="cases",
            sites=[site("one", NODE, number=1)],
            customers=[
                customer("fjord", server, "fjord.example"),
                customer("tiber", server, "tiber.example"),
            ],
        )
        async with cluster(folder, tree) as running:
            await running.applied(1)
            yield Town(running, sink, folder)


async def answered(town: Town, recipient: str) -> Transaction:
    """Return what the node answers to a message, once it answers at all."""

    async def look() -> Transaction | None:
        with contextlib.suppress(Broken):
            heard = await town.send(NODE, recipient)
            return heard if heard.refused or heard.reply else None
        return None

    return await until(look, "the node speaks SMTP")


async def test_without_the_vpn_a_node_starts_and_its_mail_goes_on(town: Town) -> None:
    settings: dict[str, Any] = {"metrics": NOT_HERE, "core": {"address": NOBODY}}
    before = town.cluster.config(NODE).read_bytes()
    assert await town.cluster.stop(NODE) == 0
    town.cluster.change_settings(NODE, settings)
    try:
        await town.cluster.launch(NODE)
        heard = await answered(town, "x@fjord.example")
        assert (heard.reply or "").startswith("250"), heard
        arrived = await town.arrival("x@fjord.example")
        assert "revision=1;" in header_of(arrived)["x-borderscout"]
        (shard,) = (await ask_node(town.cluster.state(NODE), StatusQuestion())).values()
        assert shard is not None
        assert shard.outbox_records > 0
    finally:
        await town.cluster.stop(NODE)
        town.cluster.config(NODE).write_bytes(before)
        await town.cluster.restart(NODE)

    (known,) = await town.cluster.ended(queued_as(heard))
    assert known["recipients"][0]["state"] == "delivered"


async def test_with_a_document_that_cannot_be_read_a_node_takes_mail_and_the_core_mends_it(
    town: Town,
) -> None:
    await town.cluster.at_rest()
    assert await town.cluster.stop(NODE) == 0
    await town.cluster.stop(CORE)
    try:
        (path,) = Path(town.cluster.state(NODE)).rglob("spool.db")
        with contextlib.closing(sqlite3.connect(path)) as spool:
            broken = spool.execute(
                "UPDATE document SET body=X'7b' WHERE kind='route' AND key='tiber.example'"
            )
            assert broken.rowcount == 1
            spool.commit()
        await town.cluster.restart(NODE)
        unsure = await answered(town, "y@tiber.example")
        assert unsure.refused["y@tiber.example"].startswith("451"), unsure
        heard = await answered(town, "y@fjord.example")
        assert (heard.reply or "").startswith("250"), heard
        await town.arrival("y@fjord.example")
    finally:
        await town.cluster.restart(CORE)

    async def mended() -> bool:
        heard = await town.send(NODE, "y@tiber.example")
        return (heard.reply or "").startswith("250")

    await until(mended, "the core sends it anew")
    await town.arrival("y@tiber.example")
    await town.cluster.at_rest()
    events = [one["event"] for one in town.cluster.records()]
    assert events.count("preferences_damaged") == 1
