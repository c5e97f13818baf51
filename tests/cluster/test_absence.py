"""Whoever is away, mail is still accepted, kept where it must be, and done when they are back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import CORE, Cluster, cluster
from tests.support.cluster.inventories import YARA, customer, inventory, site
from tests.support.cluster.town import Town, header_of, message, queued_as
from tests.support.disks.small_disk import SmallDisk, small_disk
from tests.support.scanning.clamd import Clamd, clamd_binary
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.waiting import until
from tests.support.witnesses.checker import check
from tests.support.witnesses.ledger import read_lines
from tests.support.witnesses.load import letters

__all__ = ["small_disk"]  # a fixture

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = {
    "delivery": {"first_wait_s": 0.5, "longest_wait_s": 1.0},
    "waiting_retry_s": 0.5,
}
RESERVE_MIB = 8
ACCEPTING = 'borderscout_spool_accepting{shard="0"}'
REASONS = {RESERVE_MIB: "MiB of disk free", 0: "disk.*full|No space left|no space"}  # in the log


@pytest.fixture(scope="module")
def clamd_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder whose name is short enough for a socket."""
    folder = tmp_path_factory.mktemp("clamd")
    yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory, clamd_folder: Path) -> AsyncIterator[Town]:
    """Give two sites: one with our own engine alone, one with ClamAV beside it."""
    folder = tmp_path_factory.mktemp("absence")
    address = f"unix:{clamd_folder / 'clamd.sock'}"
    engines = [YARA, {"name": "clamav", "kind": "clamd", "address": address}]
    async with Sink() as sink:
        server = f"127.0.0.1:{sink.port}"
        tree = inventory(
            name="absence",
            sites=[
                site("north", "nor1", number=1, workers=2),
                site("south", "sou1", number=2, engines=engines),
            ],
            customers=[customer("fjord", [server], "fjord.example", "away.example")],
            smarthost=server,
        )
        async with cluster(folder, tree, settings={"*": QUICK}) as running:
            yield Town(running, sink, folder)


async def test_without_the_core_mail_is_accepted_scanned_and_delivered_and_the_core_hears_later(
    town: Town, tmp_path: Path
) -> None:
    names = ["plain-text", "html-only", "eicar-in-zip", "word-with-macro"] * 5
    pile = list(letters(map(corpus.message, names), run="away", recipients=["x@away.example"]))
    ledger = tmp_path / "ledger.jsonl"
    before = len(town.sink.arrivals)
    await town.cluster.stop(CORE)
    try:
        tally = await town.send_pile(pile, ledger, nodes=["nor1"])
        await town.sink.wait_for(before + 15)
        assert (await town.cluster.get("nor1", "/readyz"))[0] == 200
        assert tally.accepted == len(pile)
    finally:
        await town.cluster.restart(CORE)
    await town.cluster.at_rest()

    export = await town.cluster.export("away.example")
    arrived = [line for line in town.sink.lines if "x@away.example" in line["recipients"]]
    found = check(ledger=read_lines(ledger), arrived=arrived, **export)
    assert found == [], "\n".join(map(str, found))
    assert len(export["messages"]) == len(pile)
    assert len(arrived) == 15


async def test_a_satellite_that_is_restarted_without_the_core_works_on_with_the_last_preferences(
    town: Town,
) -> None:
    recipient = "restarted@fjord.example"
    await town.cluster.stop(CORE)
    try:
        assert await town.cluster.stop("nor1") == 0
        await town.cluster.restart("nor1")
        heard = await town.send("nor1", recipient)
        await town.arrival(recipient)
    finally:
        await town.cluster.restart(CORE)

    (known,) = await town.cluster.ended(queued_as(heard))
    assert known["recipients"][0]["state"] == "delivered"


# a customer that is away is probed gently: up to 45 s apart
async def test_what_is_for_a_customer_who_is_away_is_held_shown_and_delivered_on_return(
    town: Town,
) -> None:
    recipients = [f"held-{number}@fjord.example" for number in range(5)]
    await town.sink.stop()
    try:
        ids = [queued_as(await town.send("nor1", recipient)) for recipient in recipients]

        async def look() -> list[Any] | None:
            nodes = (await town.cluster.ask("GET", "/status"))["nodes"]
            return [hold for node in nodes for hold in node["holds"]] or None

        async def look_at_mail() -> bool:
            tracked = [one for name in ids for one in await town.cluster.track(name)]
            states = [one["recipients"][0]["state"] for one in tracked]
            return len(states) == len(ids) and set(states) <= {"queued", "deferred", "held"}

        holds = await until(look, "the core shows who is away", deadline_s=20)
        await until(look_at_mail, "the core shows that all of it is held", deadline_s=20)
    finally:
        await town.sink.start()
    for recipient in recipients:
        await town.arrival(recipient)
    ended = [(await town.cluster.ended(one))[0] for one in ids]

    assert {hold["customer"] for hold in holds} == {"fjord"}
    assert {one["recipients"][0]["state"] for one in ended} == {"delivered"}
    assert [len(town.arrived(recipient)) for recipient in recipients] == [1] * 5


@pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed (clamav-daemon)")
async def test_mail_waits_for_an_engine_that_is_away_and_goes_on_when_it_is_back(
    town: Town, clamd_folder: Path
) -> None:
    recipient = "waits@fjord.example"
    heard = await town.send("sou1", recipient)

    async def look() -> dict[str, Any] | None:
        found = await town.cluster.track(queued_as(heard))
        is_waiting = found and found[0]["recipients"][0]["state"] == "waiting"
        return found[0] if is_waiting else None

    waiting = await until(look, "the message waits")
    assert town.arrived(recipient) == []
    with Clamd(clamd_folder):
        (known,) = await town.cluster.ended(queued_as(heard))
        bad = corpus.message("eicar-attached")
        caught = await town.deliver("sou1", "bad@fjord.example", data=bad)
    arrival = await town.arrival(recipient)

    assert "clamav" in str([event for event in waiting["events"] if event["event"] == "waiting"])
    (verdict,) = [one for one in known["verdicts"] if one["by"] == "clamav"]
    assert verdict["outcome"] == "clean"
    assert "clamav=clean" in header_of(arrival)["x-borderscout-virus"]
    assert caught["recipients"][0]["state"] == "quarantined"
    outcomes = {one["by"]: one["outcome"] for one in caught["verdicts"]}
    assert (outcomes["clamav"], outcomes["yara"]) == ("infected", "infected")


async def test_an_engine_that_is_away_is_never_called_clean_when_the_policy_lets_mail_pass(
    town: Town,
) -> None:
    said = await town.cluster.run("policy", "set", "customer/fjord", "unavailable=mark", "--json")
    await town.cluster.applied(said.json()["revision"])

    known = await town.deliver("sou1", "marked@fjord.example")
    arrival = await town.arrival("marked@fjord.example")
    said = await town.cluster.run("policy", "set", "customer/fjord", "unavailable=", "--json")
    await town.cluster.applied(said.json()["revision"])

    (verdict,) = [one for one in known["verdicts"] if one["by"] == "clamav"]
    assert verdict["outcome"] == "unavailable"
    assert "clamav=unavailable" in header_of(arrival)["x-borderscout-virus"]
    assert "unavailable" in known["recipients"][0]["reason"]


@pytest.mark.faults
@pytest.mark.parametrize("reserve_mib", [RESERVE_MIB, 0])
async def test_a_full_disk_is_answered_452_with_the_reason_and_mail_is_taken_again_afterwards(
    tmp_path: Path, small_disk: SmallDisk, reserve_mib: int
) -> None:
    async with Sink() as sink:
        tree = inventory(
            name="disk",
            sites=[site("east", "eas1", number=1)],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        settings = {
            "eas1": {
                "state": str(small_disk.folder / "state"),
                "disk_reserve_bytes": reserve_mib * 1024 * 1024,
            }
        }
        async with cluster(tmp_path, tree, settings=settings) as running:
            town = Town(running, sink, tmp_path)
            await town.deliver("eas1", "before@fjord.example")
            small_disk.fill(leave_bytes=reserve_mib * 1024 * 1024 // 2)
            large = message("Large", text="0123456789" * 7 + "\r\n" + "x" * 70 + "\r\n" * 2000)
            large += b"y" * 70_000 + b"\r\n"

            async def not_accepting() -> bool:
                events = (await running.ask("GET", "/events", node="eas1"))["events"]
                return any("MiB of disk free" in str(one) for one in events)

            async def refused() -> str | None:
                heard = await town.send("eas1", "full@fjord.example", data=large)
                return heard.reply if (heard.reply or "").startswith("4") else None

            reply = await until(refused, "mail is refused for now")
            assert reply.startswith("452 4.3.1"), reply
            await running.processes["eas1"].wait_for_line(REASONS[reserve_mib])
            assert 'borderscout_smtp_replies_total{code="452"' in await _metrics(running)
            if reserve_mib:
                assert f"{ACCEPTING} 0.0" in await _metrics(running)
                await until(not_accepting, "the core knows why")
            small_disk.free()

            async def accepted() -> bool:
                heard = await town.send("eas1", "after@fjord.example", data=large)
                return (heard.reply or "").startswith("250")

            await until(accepted, "mail is taken again")
            await running.ended("after@fjord.example")
            await running.at_rest()
            assert check(ledger=[], arrived=[], messages=[], records=running.records()) == []
            assert f"{ACCEPTING} 1.0" in await _metrics(running)


async def _metrics(running: Cluster) -> str:
    return (await running.get("eas1", "/metrics"))[1]
