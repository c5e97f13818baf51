"""What two running nodes measure to the customers' servers comes to the core, and into the plan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import CORE, Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.network.dns_server import DnsServer, dns_server
from tests.support.network.ports import free_port
from tests.support.network.silent_host import SilentHost
from tests.support.smtp.next_hop import NextHop
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "127.0.0.9"  # where nothing listens
BESIDE_SOUTH = [42.0, 4.0]


@dataclass(frozen=True)
class Measured:
    """Two sites with a name server each, and servers that answer, refuse, are silent, or stall."""

    cluster: Cluster
    file: Path
    south_dns: DnsServer
    targets: dict[str, str]  # by domain

    async def probes(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return what the core knows, by site and domain; each site has one node here."""
        found = (await self.cluster.ask("GET", "/probes"))["probes"]
        domains = {target: domain for domain, target in self.targets.items()}
        return {(one["site"], domains[one["target"]]): one for one in found}

    async def plan(self, *more: str) -> dict[str, dict[str, Any]]:
        said = await self.cluster.run("mx", "plan", self.file, "--json", *more)
        return {one["domain"]: one for one in said.json()["domains"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def measured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Measured]:
    folder = tmp_path_factory.mktemp("probes")
    async with (
        NextHop() as good,
        NextHop(greeting=b"554 not you\r\n") as rude,
        SilentHost() as silent,
        dns_server() as north,
        dns_server() as south,
    ):
        # One name: from the south it leads to where nobody listens.
        north.records["mail.fjord.example.", "A"] = ["127.0.0.1"]
        south.records["mail.fjord.example.", "A"] = [NOBODY]
        targets = {
            "fjord.example": f"mail.fjord.example:{good.port}",
            "good.example": f"127.0.0.1:{good.port}",
            "rude.example": f"127.0.0.1:{rude.port}",
            "silent.example": f"127.0.0.1:{silent.port}",
            "closed.example": f"127.0.0.1:{free_port()}",
        }
        tree = inventory(
            name="probes",
            sites=[site("north", "nor1", number=1), site("south", "sou1", number=2)],
            customers=[
                customer(domain.partition(".")[0], [target], domain, location=BESIDE_SOUTH)
                for domain, target in targets.items()
            ],
        )
        settings = {
            node: {"resolver": f"127.0.0.1:{dns.port}", "delivery": {"measure_every_s": 1}}
            for node, dns in (("nor1", north), ("sou1", south))
        }
        async with cluster(folder, tree, settings=settings) as running:
            yield Measured(running, folder / "inventory.yaml", south, targets)


async def test_each_site_tells_what_it_measured_to_each_server(measured: Measured) -> None:
    async def all_told() -> dict[tuple[str, str], dict[str, Any]] | None:
        found = await measured.probes()
        is_all = len(found) == 2 * len(measured.targets)
        return found if is_all else None

    found = await until(all_told, "both sites have measured all", deadline_s=120.0)

    for site_name in ("north", "south"):
        good = found[site_name, "good.example"]
        assert good["failures"] == 0
        assert 1_000 <= good["rtt_us"] < 1_000_000
        for domain in ("rude.example", "silent.example", "closed.example"):
            bad = found[site_name, domain]
            assert (bad["rtt_us"], bad["failures"]) == (None, bad["tries"]), domain
    assert found["north", "fjord.example"]["failures"] == 0
    assert found["south", "fjord.example"]["rtt_us"] is None
    assert found["north", "fjord.example"]["node"] == "nor1"

    shown = (await measured.cluster.run("report", "probes", "--target", "fjord")).out.splitlines()
    assert [line.split()[1] for line in shown[1:]] == ["north", "south"]


async def test_the_plan_goes_by_what_was_measured(measured: Measured) -> None:
    before = await measured.plan()
    after = await measured.plan("--measurements", "core")

    assert before["fjord.example"]["mx"][0]["site"] == "south"
    assert "south: 0.000 km away" in before["fjord.example"]["reason"]
    assert after["fjord.example"]["mx"][0]["site"] == "north"
    assert "tries failed" in after["fjord.example"]["reason"]
    assert " ms, " in after["good.example"]["reason"]


async def test_a_core_that_begins_anew_knows_what_was_told(measured: Measured) -> None:
    before = await measured.probes()
    await measured.cluster.stop(CORE)
    await measured.cluster.restart(CORE)

    after = await measured.probes()

    assert after.keys() == before.keys()


async def test_a_server_that_comes_back_is_near_again(measured: Measured) -> None:
    measured.south_dns.records["mail.fjord.example.", "A"] = ["127.0.0.1"]
    await measured.cluster.stop("sou1")
    await measured.cluster.restart("sou1")  # what it knew of the name goes with the process

    async def is_near() -> bool:
        told = (await measured.probes())["south", "fjord.example"]
        return told["rtt_us"] is not None and told["failures"] == 0

    await until(is_near, "the south reaches the server", deadline_s=120.0)
    plan = await measured.plan("--measurements", "core")
    assert "tries failed" not in plan["fjord.example"]["reason"]
