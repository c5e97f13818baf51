"""A core comes back, from a backup and from nothing, by the steps of docs/operating/restore.md.

One core and two sites as an operator starts them; mail goes on all the while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import CORE, cluster
from tests.support.cluster.commands import Said, run
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import Town, queued_as
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = {"waiting_retry_s": 0.5}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    folder = tmp_path_factory.mktemp("restored")
    async with Sink() as sink:
        tree = inventory(
            name="restored",
            sites=[site("north", "nor1", number=1), site("south", "sou1", number=2)],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        async with cluster(folder, tree, settings={"*": QUICK}) as running:
            yield Town(running, sink, folder)


async def core(town: Town, *arguments: str | Path) -> Said:
    """Type a command about the core's files, as whoever looks after its machine."""
    return await run("core", *arguments, "--config", town.cluster.config(CORE), "--json")


async def status(town: Town) -> dict[str, Any]:
    found: dict[str, Any] = await town.cluster.ask("GET", "/status")
    return found


async def all_follow(town: Town, *, generation: int, revision: int) -> None:
    """Return once every node has taken this core's preferences, and nobody follows another."""

    async def look() -> bool:
        found = await status(town)
        return (
            found["generation"] == generation
            and found["other_epochs"] == []
            and all(
                (node["state"], node["applied"], node["lag"]) == ("live", revision, 0)
                for node in found["nodes"]
            )
        )

    await until(look, f"all follow generation {generation}")


async def blacklist(town: Town, sender: str) -> int:
    """Publish a list entry, and return its revision."""
    body = {"scope": "cluster", "pattern": sender}
    return int((await town.cluster.ask("POST", "/lists/black", body=body))["revision"])


async def entries(town: Town) -> list[str]:
    found = await town.cluster.ask("GET", "/lists/black")
    return [one["pattern"] for one in found["entries"]]


async def quarantined(town: Town, node: str, recipient: str) -> str:
    """Let a node quarantine a message, and return its id."""
    heard = await town.send(node, recipient, data=corpus.message("eicar-attached"))
    return queued_as(heard)


async def test_a_core_is_restored_from_a_backup_that_was_made_while_it_worked(
    town: Town, tmp_path: Path
) -> None:
    running = town.cluster
    kept = await blacklist(town, "before@sender.example")
    await running.applied(kept)
    first = await quarantined(town, "nor1", "one@fjord.example")
    await running.held(first)

    backup, *delivered = await asyncio.gather(
        core(town, "backup", tmp_path / "backup"),
        *(town.deliver("sou1", f"during-{number}@fjord.example") for number in range(5)),
    )
    assert backup.json()["revision"] == kept
    assert all(one["recipients"][0]["state"] == "delivered" for one in delivered)
    await running.applied(await blacklist(town, "after@sender.example"))
    await running.held(await quarantined(town, "nor1", "two@fjord.example"))
    await running.at_rest()

    refused = await core(town, "restore", tmp_path / "backup", "--replace")
    assert (refused.status, "another core has" in refused.err) == (1, True)
    await running.kill(CORE)
    heard = await town.send("sou1", "away@fjord.example")
    restored = (await core(town, "restore", tmp_path / "backup", "--replace")).json()
    await running.restart(CORE)

    await all_follow(town, generation=2, revision=kept)
    assert await entries(town) == ["before@sender.example"]
    assert (restored["generation"], restored["wanted"]) == (2, 0)
    assert len(list(Path(restored["set_aside"]).glob("bodies/??/*"))) >= 1
    (away,) = await running.ended(queued_as(heard))
    assert away["recipients"][0]["state"] == "delivered"
    await running.ask("POST", f"/quarantine/{first}/release", body={})
    assert b"mix-1" in (await town.arrival("one@fjord.example")).data


async def test_a_core_begins_from_nothing_but_the_inventory_and_the_sites_fill_it_again(
    town: Town,
) -> None:
    running = town.cluster
    await running.applied(await blacklist(town, "people@sender.example"))
    generation = (await status(town))["generation"]
    await running.stop(CORE)
    running.state(CORE).rename(running.state(CORE).with_name("lost"))
    heard = await town.send("nor1", "alone@fjord.example")
    caught = await quarantined(town, "nor1", "caught@fjord.example")
    await town.arrival("alone@fjord.example")

    await running.restart(CORE)

    async def refused_everywhere() -> bool:
        others = (await status(town))["other_epochs"]
        return [(one["node"], one["generation"]) for one in others] == [
            ("nor1", generation),
            ("sou1", generation),
        ]

    await until(refused_everywhere, "both nodes go on by the former core's preferences")
    assert (await running.ask("GET", "/quarantine"))["cases"] == []  # all waits with the sites
    assert running.records() == []
    doctor = await running.run("doctor", "--url", running.url)
    assert doctor.status == 1
    assert "type: borderscout core renew-epoch" in doctor.out
    revision = await blacklist(town, "again@sender.example")

    renewed = (await core(town, "renew-epoch", "--yes")).json()  # the core runs: it is asked

    assert renewed["generation"] == generation + 1
    await all_follow(town, generation=generation + 1, revision=revision)
    assert await entries(town) == ["again@sender.example"]
    held = await running.held(caught)
    assert held["recipients"] == ["caught@fjord.example"]
    (alone,) = await running.ended(queued_as(heard))
    assert alone["recipients"][0]["state"] == "delivered"
    assert (await town.deliver("sou1", "now@fjord.example"))["recipients"][0][
        "state"
    ] == "delivered"
    await running.at_rest()
    assert "gap" in {record["event"] for record in running.records()}
    audit = (await running.ask("GET", "/audit"))["entries"]
    assert "epoch.renew" in {one["what"] for one in audit}
