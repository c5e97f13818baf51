"""A customer who is away is seen at the core, helped from there, and waited for without it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from email import message_from_bytes
from typing import Any

import pytest
import pytest_asyncio

from common.states import State
from satellite.console.control_socket import ask as ask_node
from satellite.console.questions import FlushQuestion, ListQuestion, RecipientDescription
from tests.support.cluster.cluster import CORE, cluster
from tests.support.cluster.commands import Said
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import SENDER, Town, queued_as
from tests.support.smtp.sink import Arrival, Sink
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NODES = ("nor1", "sou1")
DOMAINS = ("hint", "redirect", "extend", "bounce", "alone")
SEEN_S = 10.0  # a hold is known at the core
NEAR_S = 20.0  # far below the 36 s that lie between two probes of a shard


class Absence:
    """Two sites, a customer whose server comes and goes, and other servers that stay."""

    def __init__(self, town: Town, other: Sink) -> None:
        self.town = town
        self.cluster = town.cluster
        self.other = other

    @asynccontextmanager
    async def away(self, domain: str) -> AsyncIterator[dict[str, str]]:
        """Let the customer's server be away, and each site hold one message; give its ids."""
        await self.town.sink.stop()
        try:
            ids = {}
            for node in NODES:
                ids[node] = queued_as(await self.town.send(node, f"{node}@{domain}"))
            for node in NODES:
                await until(lambda node=node: self.held(node, domain), f"{node} holds its mail")  # type: ignore[misc]
            yield ids
        finally:
            if not self.town.sink.is_listening:
                await self.town.sink.start()

    async def held(self, node: str, domain: str) -> RecipientDescription | None:
        """Return the one recipient that a node holds for a domain."""
        question = ListQuestion(state=State.HELD, destination=domain)
        shards = await ask_node(self.cluster.state(node), question)
        found = [one for answer in shards.values() if answer for one in answer.messages]
        return found[0].recipients[0] if found else None

    async def flush(self, node: str) -> None:
        """Let a node ask all servers now, as an operator on it does."""
        await ask_node(self.cluster.state(node), FlushQuestion())

    async def hold(self, *arguments: str) -> Said:
        said = await self.cluster.run("hold", *arguments)
        assert said.status == 0, said
        return said

    async def listed(self, domain: str) -> dict[str, dict[str, Any]]:
        """Return what the core knows of a domain's holds, by node."""
        lines = (await self.hold("list", domain, "--json")).lines()
        return {line["node"]: line for line in lines}

    async def both_listed(self, domain: str, *, deadline_s: float = SEEN_S) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            found = await self.listed(domain)
            return found if set(found) == set(NODES) else None

        return await until(look, f"the core knows who holds {domain}", deadline_s=deadline_s)

    async def arrival(self, sink: Sink, recipient: str, *, deadline_s: float = 60.0) -> Arrival:
        async def look() -> Arrival | None:
            return next((one for one in sink.arrivals if recipient in one.recipients), None)

        return await until(look, f"mail comes for {recipient}", deadline_s=deadline_s)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def absence(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Absence]:
    folder = tmp_path_factory.mktemp("hold")
    async with Sink() as sink, Sink() as other:
        tree = inventory(
            name="hold",
            sites=[site("north", "nor1", number=1), site("south", "sou1", number=2, workers=2)],
            customers=[
                customer("fjord", [f"127.0.0.1:{sink.port}"], *(f"{d}.example" for d in DOMAINS))
            ],
            smarthost=f"127.0.0.1:{other.port}",
        )
        async with cluster(folder, tree) as running:
            yield Absence(Town(running, sink, folder), other)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def test_the_first_site_that_reaches_a_server_tells_the_other_through_the_core(
    absence: Absence,
) -> None:
    domain = "hint.example"
    async with absence.away(domain):
        found = await absence.both_listed(domain)
        status = await absence.cluster.run("status")
        metrics = (await absence.cluster.get(CORE, "/metrics"))[1]
        await absence.flush("sou1")  # a probe that fails: the next is at least 36 s away

        async def south_waits() -> float | None:
            held = await absence.held("sou1", domain)
            probe_in_s = held.hold.probe_in_s if held and held.hold else None
            return probe_in_s if probe_in_s and probe_in_s > NEAR_S else None

        await until(south_waits, "the south's next probe is far away")
        await absence.town.sink.start()
        before_s = time.monotonic()
        await absence.flush("nor1")
        await absence.arrival(absence.town.sink, f"nor1@{domain}")
        await absence.arrival(absence.town.sink, f"sou1@{domain}", deadline_s=NEAR_S)
        assert time.monotonic() - before_s < NEAR_S, "only a hint can have been so quick"

    for node, site_name in zip(NODES, ("north", "south"), strict=True):
        one = found[node]
        assert (one["customer"], one["destination"], one["site"]) == ("fjord", domain, site_name)
        assert (one["messages"], one["order"]) == (1, None)
        assert one["bytes"] > 0
        assert "refused" in one["why"].lower()
        assert abs(seconds(one["expires"]) - seconds(one["oldest"]) - 7 * 86_400) < 60
        assert seconds(one["oldest"]) <= seconds(one["since"]) + 1
    assert f"fjord is away at {domain}" in status.out
    assert 'borderscout_core_held_messages{node="nor1"} 1.0' in metrics
    assert "fjord" not in metrics
    await until(lambda: _is_empty(absence, domain), "nobody is away any more")


async def _is_empty(absence: Absence, domain: str) -> bool:
    return not await absence.listed(domain)


async def test_held_mail_goes_to_another_server_until_the_order_is_cleared(
    absence: Absence,
) -> None:
    domain = "redirect.example"
    async with absence.away(domain):
        server = f"127.0.0.1:{absence.other.port}"
        said = await absence.hold("redirect", domain, "--to", server, "--reason", "fire")
        for node in NODES:
            await absence.arrival(absence.other, f"{node}@{domain}")
        orders = (await absence.hold("list", "--orders", "--json")).lines()
        await absence.hold("clear", domain)

    await absence.town.send("nor1", f"later@{domain}")
    await absence.arrival(absence.town.sink, f"later@{domain}")

    assert f"delivered to {server} (fire)" in said.out
    assert "applied at nor1, sou1" in said.out
    assert [(one["domain"], one["deliver_to"]) for one in orders] == [(domain, [server])]
    assert not any(f"later@{domain}" in one.recipients for one in absence.other.arrivals)


async def test_more_days_are_seen_in_when_mail_expires(absence: Absence) -> None:
    domain = "extend.example"
    async with absence.away(domain):
        before = await absence.both_listed(domain)
        await absence.hold("extend", domain, "--days", "14")

        async def longer() -> dict[str, Any] | None:
            found = await absence.listed(domain)
            gained = [
                seconds(found[node]["expires"]) - seconds(before[node]["expires"])
                for node in NODES
                if node in found
            ]
            return found if [round(one / 86_400) for one in gained] == [7, 7] else None

        after = await until(longer, "both sites keep it a week more", deadline_s=SEEN_S)
        people = (await absence.hold("list", domain)).out
        await absence.hold("clear", domain)

    assert {one["hold_days"] for one in after.values()} == {14}
    assert "ordered: held for 14 days in all" in people


async def test_held_mail_goes_back_to_its_sender_and_says_why(absence: Absence) -> None:
    domain = "bounce.example"
    async with absence.away(domain) as ids:
        await absence.both_listed(domain)
        refused = await absence.cluster.run("hold", "bounce", domain)
        held = [await absence.held(node, domain) for node in NODES]
        await absence.hold("bounce", domain, "--yes", "--reason", "company closed")
        ended = [(await absence.cluster.ended(ids[node]))[0] for node in NODES]

        async def reports() -> list[Arrival] | None:
            found = [
                one
                for one in absence.other.arrivals
                if one.sender == "" and domain.encode() in one.data
            ]
            return found if len(found) == len(NODES) else None

        sent_back = await until(reports, "two reports reach the sender")
        await absence.hold("clear", domain)

    assert refused.status == 2
    assert "2 messages" in refused.err
    assert all(held), "nothing happens without a yes"
    assert {one["recipients"][0]["state"] for one in ended} == {"bounced"}
    for one in sent_back:
        assert one.recipients == (SENDER,)
        report = message_from_bytes(one.data)
        assert report.get_content_type() == "multipart/report"
        fields = next(
            part for part in report.walk() if part.get_content_type() == "message/delivery-status"
        )
        assert "Action: failed" in fields.as_string()
        assert "company closed" in one.data.decode("ascii")


async def test_without_the_core_mail_is_held_and_delivered_and_the_core_learns_of_it_later(
    absence: Absence,
) -> None:
    domain = "alone.example"
    await absence.cluster.kill(CORE)
    try:
        async with absence.away(domain) as ids:
            await absence.town.sink.start()
            for node in NODES:
                await absence.flush(node)
                await absence.arrival(absence.town.sink, f"{node}@{domain}")
    finally:
        await absence.cluster.restart(CORE)

    for node in NODES:
        (known,) = await absence.cluster.ended(ids[node])
        events = [event["event"] for event in known["events"]]
        assert known["recipients"][0]["state"] == "delivered"
        assert "held" in events
