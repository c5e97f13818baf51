"""A node is emptied: mail goes elsewhere, what can leave leaves, and the rest is named."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import CORE, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import REPLY_S, Town
from tests.support.network.ports import free_port
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Broken, SmtpClient
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NODE = "one1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One node with two workers; fjord's server is there, tiber's is away."""
    folder = tmp_path_factory.mktemp("drain")
    async with Sink() as sink:
        tree = inventory(
            name="drain",
            sites=[site("one", NODE, number=1, workers=2)],
            customers=[
                customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example"),
                customer("tiber", [f"127.0.0.1:{free_port()}"], "tiber.example", hold_days=2),
            ],
        )
        async with cluster(folder, tree) as running:
            yield Town(running, sink, folder)


def config(town: Town) -> Path:
    return town.cluster.config(NODE)


async def banner(town: Town) -> str:
    """Return what a client hears that connects now."""
    client = SmtpClient(*town.cluster.smtp(NODE), deadline_s=REPLY_S)
    with contextlib.suppress(Broken):  # what it said instead of a greeting is what is asked for
        await client.open()
    await client.quit()
    return client.banner


async def test_a_node_without_mail_is_empty_and_its_clients_go_elsewhere(town: Town) -> None:
    await town.deliver(NODE, "x@fjord.example")

    said = await town.cluster.run("satellite", "drain", "--config", config(town), "--json")

    assert said.status == 0, said
    assert said.json() == {
        "draining": True,
        "empty": True,
        "left": [],
        "records": 0,
        "quarantine": 0,
    }
    assert (await banner(town)).startswith("421 4.3.2 ")
    assert await town.cluster.get(NODE, "/readyz") == (
        503,
        "shard 0: draining\nshard 1: draining\n",
    )

    async def told() -> bool:
        (node,) = (await town.cluster.run("status", "--json")).json()["nodes"]
        return node["accepting"] is False and node["not_accepting_reason"] == "draining"

    await until(told, "the core knows it")


async def test_it_goes_on_draining_over_a_restart_until_it_is_told_to_resume(town: Town) -> None:
    await town.cluster.stop(NODE)
    await town.cluster.launch(NODE)

    async def told() -> bool:
        status, text = await town.cluster.get(NODE, "/readyz")
        return status == 503 and text.count("draining") == 2

    await until(told, "it is up, and drains")
    assert (await banner(town)).startswith("421 4.3.2 ")

    said = await town.cluster.run("satellite", "drain", "--resume", "--config", config(town))

    assert (said.status, said.out.strip()) == (0, "takes mail again")
    await town.cluster.ready(NODE)
    await town.deliver(NODE, "y@fjord.example")


async def test_without_a_core_what_is_left_is_named_for_whom_and_until_when(town: Town) -> None:
    await town.cluster.stop(CORE)
    heard = [await town.send(NODE, f"{name}@tiber.example") for name in "abc"]
    assert all((one.reply or "").startswith("250") for one in heard)
    mixed = await town.send(NODE, "d@tiber.example", "d@fjord.example")
    assert (mixed.reply or "").startswith("250")

    said = await town.cluster.run("satellite", "drain", "--config", config(town), "--json")

    assert said.status == 1
    found = json.loads(said.out)
    assert {(one["domain"], one["customer"], one["state"]) for one in found["left"]} == {
        ("tiber.example", "tiber", "held")
    }
    assert sum(one["recipients"] for one in found["left"]) == 4
    for line in found["left"]:
        assert line["oldest"][:10] < line["expires"][:10], "in two days"
    assert found["records"] > 0, "the core is away"
    await town.arrival("d@fjord.example")

    text = (await town.cluster.run("satellite", "drain", "--config", config(town))).out
    assert "tiber.example" in text
    assert "log records" in text
    await town.cluster.restart(CORE)
